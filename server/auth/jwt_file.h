/*
 * jwt_file: the token in a file as tools write it: alone, or between two lines of dashes
 * ("-----BEGIN NATS OPERATOR JWT-----"), of which the first such pair counts. Pure; the text is
 * hostile.
 */
#ifndef SERVER_AUTH_JWT_FILE_H
#define SERVER_AUTH_JWT_FILE_H

#include "base/bytes.h"

/* A view of the text; whether it is a token, jwt_read says. */
struct bytes jwt_file_token(struct bytes text);

#endif
