/* SPDX-License-Identifier: ISC */
/* Closing a connection so that its peer sees that it was not meant to end. */
#ifndef RELAY_RESET_H
#define RELAY_RESET_H

/* close(2) then sends RST instead of FIN (socket(7), SO_LINGER). */
void reset_on_close(int fd);

void reset_and_close(int fd);

#endif
