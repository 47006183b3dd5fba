/* apps/gateway/engine_sql.h - schema.sql, which the build puts into the program. */
#ifndef STA_GATEWAY_ENGINE_SQL_H
#define STA_GATEWAY_ENGINE_SQL_H

extern const char engine_schema_sql[];

#endif
