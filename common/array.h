/* SPDX-License-Identifier: ISC */
/* Tables, whose length the compiler knows. */
#ifndef COMMON_ARRAY_H
#define COMMON_ARRAY_H

/* Not of a pointer, and so of no parameter. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
