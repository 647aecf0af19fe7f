/* SPDX-License-Identifier: ISC */
/* The socket that tpxctl connects to. */
#ifndef SUPERVISOR_CONTROL_SOCKET_H
#define SUPERVISOR_CONTROL_SOCKET_H

/* Bound to the path, and listening.  Fatal when another tpxd answers there. */
int control_socket(const char *path);

#endif
