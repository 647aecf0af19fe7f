/* SPDX-License-Identifier: ISC */
/*
 * Names that reach the kernel's rules as text: nothing in them may mean
 * something to nft(8).
 */
#ifndef POLICY_NAME_H
#define POLICY_NAME_H

/*
 * Letters, digits, _ - . @ +, at most 15 bytes.  Less than the kernel takes
 * (no wildcard, quote or blank), not beginning with a dot or a dash, and never
 * lo, which carries nothing that is forwarded.
 */
int name_is_interface(const char *);

/*
 * Of a table or an upstream: letters, digits, _ and -, at most
 * LIMIT_NAME_BYTES - 1 bytes.
 */
int name_is_table(const char *);

#endif
