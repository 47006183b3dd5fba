/* apps/gateway/listener.h - which program listens on a TCP port of this machine, as /proc tells it. */
#ifndef STA_GATEWAY_LISTENER_H
#define STA_GATEWAY_LISTENER_H

enum { LISTENER_NAME_MAX = 64 };

/* Inode of a socket that listens on this port, on whatever address; 0: there is none. */
unsigned long listener_socket(unsigned port);

/* Process id and name of the program that has it; 0, and words in place of a name: it is another user's, and not to be seen. */
long          listener_owner(unsigned long inode, char program[LISTENER_NAME_MAX]);

#endif
