/* apps/cli/verbs.c - the table of verbs. */
#include <string.h>

#include "apps/cli/cli.h"

const struct option global_options[] = {
    { "data", "DIR", "the data folder; otherwise $STAFFETTA_DATA, else $XDG_DATA_HOME/staffetta" },
    { "api", "PATH", "the daemon's socket; otherwise api.sock in the data folder" },
    { "json", NULL, "print one JSON object per line" },
    { "help", NULL, "print help" },
    { "version", NULL, "print the version" },
};
const size_t global_option_count = sizeof global_options / sizeof global_options[0];

#define QR_OPTIONS { "qr", NULL, "also as a QR code on the terminal" }, { "png", "FILE", "write the QR code to this image" }
#define READ_OPTIONS \
    { "mark-read", NULL, "mark what is printed as read" }, \
    { "keep-unread", NULL, "mark nothing as read" }

#define MEDIA_OPTIONS \
    { "caption", "TEXT", "what stands beside it" }, { "name", "NAME", "call it so; otherwise the file's own name" }, \
    { "now", NULL, "the original does not wait for a fast link" }, \
    { "life", "SPAN", "how long it may travel: 1d, 3d, 7d (usual) or 14d" }

const struct verb verbs[] = {
    { "init", "", "make your identity", "Works with and without a running daemon. Without --passphrase a key file beside the "
      "data opens it, so whoever takes the disk can read everything.",
      0, 0, ARG_NONE, "", { { "name", "NAME", "your name, as friends see it (1 to 32 bytes)" },
                            { "passphrase", NULL, "ask for a passphrase that seals everything" } }, verb_init },
    { "card", "", "print your card, as a link", "Whoever has the card can write to you. For one person, an invite is better.",
      0, 0, ARG_NONE, "", { QR_OPTIONS }, verb_card },
    { "invite", "", "print a one-time invite, as a link", "Good for one person, for 30 days. Show it, or send it over a way you trust.",
      0, 0, ARG_NONE, "", { QR_OPTIONS }, verb_invite },
    { "add", "LINK|ID", "add a friend by card, invite or introduction", "Put the link in quotes: a shell takes what follows # for a comment. ID is that of a message in which a friend "
      "introduces somebody.",
      1, 1, ARG_NONE, "", { { "as", "NAME", "what you call them; otherwise the name on the card" } }, verb_add },
    { "friends", "", "list friends and those who ask", "",
      0, 0, ARG_NONE, "", { { "names", NULL, "only names, one a line" } }, verb_friends },
    { "accept", "NAME", "accept somebody who wrote to you first", "Only then do they get receipts.",
      1, 1, ARG_FRIEND, "", { { 0 } }, verb_accept },
    { "block", "NAME", "see nothing more of a person, who is not told", "What they send is dropped without a receipt; what waits to go to them is "
      "given up.", 1, 1, ARG_FRIEND, "", { { 0 } }, verb_block },
    { "unblock", "NAME", "hear from a blocked person again", "What was dropped meanwhile stays away, unless they still repeat it.",
      1, 1, ARG_FRIEND, "", { { 0 } }, verb_unblock },
    { "introduce", "NAME TO", "make two friends known to each other", "Each gets the other's card from you, as a message, and may take it or not.",
      2, 2, ARG_FRIEND, "", { { 0 } }, verb_introduce },
    { "verify", "NAME", "compare safety numbers, and mark as verified", "Compare the number with your friend, face to face or by voice. "
      "If it is the same on both sides, nobody stands between you.",
      1, 1, ARG_FRIEND, "", { { "yes", NULL, "they are the same: mark as verified" },
                              { "no", NULL, "take the mark away" } }, verb_verify },
    { "rename", "NAME NEW-NAME", "call a friend by another name", "", 2, 2, ARG_FRIEND, "", { { 0 } }, verb_rename },
    { "remove", "NAME", "forget a friend and all messages with them", "They can no longer write to you.",
      1, 1, ARG_FRIEND, "", { { "yes", NULL, "do not ask" } }, verb_remove },
    { "disappear", "NAME SPAN|off", "let new messages disappear some time after reading", "A span is 30m, 12h, 7d or the like.",
      2, 2, ARG_FRIEND, "", { { 0 } }, verb_disappear },
    { "send", "NAME TEXT...|-", "send a message; prints its id", "With - the text comes from standard input. A text that begins with "
      "two dashes stands after --.",
      1, ARGS_MAX, ARG_FRIEND, "", { { "file", "FILE", "send the text in this file (UTF-8, up to 16000 bytes)" },
                                     { "life", "SPAN", "how long it may travel: 1d, 3d, 7d (usual) or 14d" } }, verb_send },
    { "send-file", "NAME FILE", "send a file of up to 100 MB; prints the message's id", "It goes in pieces, over whoever comes by, and waits for a "
      "fast link.", 2, 2, ARG_FRIEND, "", { MEDIA_OPTIONS }, verb_send_file },
    { "send-photo", "NAME FILE", "send a photo", "As send-file, shown as a photo. A preview goes at once where staffetta-media is installed, which this version does not bring.",
      2, 2, ARG_FRIEND, "", { MEDIA_OPTIONS }, verb_send_photo },
    { "send-voice", "NAME FILE", "send a voice note", "As send-file, shown as a voice note. A version at a low rate goes at once where staffetta-media is installed, which this version "
      "does not bring.",
      2, 2, ARG_FRIEND, "", { MEDIA_OPTIONS }, verb_send_voice },
    { "media", "[ID]", "list photos, voice notes and files, and how far they are", "",
      0, 1, ARG_MESSAGE, "", { { "follow", NULL, "go on as they come" } }, verb_media },
    { "save", "ID [FILE]", "save a photo, voice note or file", "Without FILE under its own name in this folder. Nothing is ever overwritten. "
      "- is the standard output.", 1, 2, ARG_MESSAGE, "", { { "light", NULL, "the version at a low rate" }, { "preview", NULL, "the preview" } },
      verb_save },
    { "want", "ID", "ask for the original now", "Otherwise it comes when the sender is on a fast link.",
      1, 1, ARG_MESSAGE, "", { { "no", NULL, "it is not wanted: nothing more of it comes" } }, verb_want },
    { "keep", "ID", "keep a photo, voice note or file when space is freed", "", 1, 1, ARG_MESSAGE, "",
      { { "no", NULL, "no longer" } }, verb_keep },
    { "free-up", "[ID]", "remove originals that are complete and old", "Messages and previews stay; what is kept stays. With ID that one, "
      "whatever its age.", 0, 1, ARG_MESSAGE, "", { { "older", "SPAN", "than this; otherwise 30d" },
      { "size", "SIZE", "stop when so much is freed, such as 500M" } }, verb_free_up },
    { "archive", "NAME FOLDER", "write a conversation and its originals into a folder", "As JSON lines and files that anybody can read.",
      2, 2, ARG_FRIEND, "", { { "free", NULL, "then remove the originals here" } }, verb_archive },
    { "storage", "", "print what takes space, its limits, and what goes first", "", 0, 0, ARG_NONE, "", { { 0 } }, verb_storage },
    { "messages", "NAME", "print the conversation with a friend", "Marks as read what it prints.",
      1, 1, ARG_FRIEND, "", { { "follow", NULL, "go on as messages come" }, READ_OPTIONS }, verb_messages },
    { "inbox", "", "print what is unread, from everybody", "On a terminal, marks as read what it prints.",
      0, 0, ARG_NONE, "", { { "follow", NULL, "go on as messages come" }, READ_OPTIONS }, verb_inbox },
    { "read", "NAME", "mark a friend's messages as read", "", 1, 1, ARG_FRIEND, "", { { 0 } }, verb_read },
    { "show", "ID", "print one message and where it is", "The first digits of the id are enough, as long as no other message begins "
      "with them.", 1, 1, ARG_MESSAGE, "", { { 0 } }, verb_show },
    { "delete", "ID", "delete a message here", "It stays with your friend, and copies under way stay under way.",
      1, 1, ARG_MESSAGE, "", { { 0 } }, verb_delete },
    { "status", "", "print how the node is", "", 0, 0, ARG_NONE, "", { { "watch", NULL, "again every two seconds" } }, verb_status },
    { "neighbours", "", "list the nodes that are linked now", "", 0, 0, ARG_NONE, "", { { 0 } }, verb_neighbours },
    { "doctor", "", "say what works, what does not, and what to do", "Exits with 1 when something is wrong.",
      0, 0, ARG_NONE, "", { { 0 } }, verb_doctor },
    { "export", "FILE", "write all bundles to a file, for a stick", "The file holds only sealed bundles.",
      1, 1, ARG_FILE, "", { { 0 } }, verb_export },
    { "import", "FILE", "take in bundles from such a file", "", 1, 1, ARG_FILE, "", { { 0 } }, verb_import },
    { "gateway", "add LINK|add ID|remove HOST|share NAME [HOST]", "use an internet gateway, or no longer; pass it on to a friend",
      "Put the link in quotes. The node hands over what it carries and fetches what waits for you, among decoys. share sends a friend what "
      "you have, as a message that `gateway add ID` takes; the invite's quota is then shared, too.", 2, 3, ARG_WORDS, "add remove share", { { 0 } }, verb_gateway },
    { "gateways", "", "list gateways", "", 0, 0, ARG_NONE, "", { { 0 } }, verb_gateways },
    { "unlock", "", "give the daemon the passphrase of the vault", "Asks for it, or reads a line of standard input.",
      0, 0, ARG_NONE, "", { { 0 } }, verb_unlock },
    { "passphrase", "", "set or change the passphrase of the vault", "",
      0, 0, ARG_NONE, "", { { "none", NULL, "back to a key file, which protects nothing if the disk is taken" } }, verb_passphrase },
    { "settings", "read-marks on|off", "whether friends see that you have read", "", 2, 2, ARG_WORDS, "read-marks", { { 0 } },
      verb_settings },
    { "backup", "[FILE]", "put your identity and friends away, sealed", "Prints nine words that open it: write them down, and keep them apart from it. Messages are not "
      "in it. With --paper FILE images to print are made instead, FILE-1.png and so on.",
      0, 1, ARG_FILE, "", { { "passphrase", NULL, "ask for a passphrase to open it, instead of words" },
                            { "paper", "FILE", "as QR codes in images" }, { "qr", NULL, "as QR codes on the terminal" } }, verb_backup },
    { "restore", "FILE", "be who you were, from a backup", "Into an empty --data folder whose daemon runs. Asks for the words or the passphrase. FILE may also hold the texts that were "
      "scanned from paper. Sessions with all friends begin anew. Do not go on with the old device.",
      1, 1, ARG_FILE, "", { { "passphrase", NULL, "ask for a passphrase that seals everything here" } }, verb_restore },
    { "panic", "", "destroy all keys, at once and for good", "Identity, friends and messages cannot be read again, by anybody. The "
      "daemon ends.", 0, 0, ARG_NONE, "", { { "yes", NULL, "really" } }, verb_panic },
    { "completion", "SHELL", "print the completion for bash, zsh or fish", "", 1, 1, ARG_SHELL, "bash zsh fish", { { 0 } },
      verb_completion },
    { "version", "", "print the version", "", 0, 0, ARG_NONE, "", { { 0 } }, verb_version },
    { "help", "[VERB]", "print help, or that of a verb", "", 0, 1, ARG_NONE, "", { { 0 } }, verb_help },
};
const size_t verb_count = sizeof verbs / sizeof verbs[0];

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < verb_count; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}
