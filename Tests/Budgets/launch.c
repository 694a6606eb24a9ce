// Stands in for sip-router: starts the real one, beside it, with count.so preloaded.
//
// The supervisor gives its children an environment of its own, so that it cannot be set from outside.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments) {
    char program[PATH_MAX], library[PATH_MAX], file[PATH_MAX];
    char *end = count > 0 ? strrchr(arguments[0], '/') : NULL;
    if (end == NULL) return 1;
    *end = '\0';
    snprintf(program, sizeof program, "%s/counted-router", arguments[0]);
    snprintf(library, sizeof library, "%s/count.so", arguments[0]);
    snprintf(file, sizeof file, "%s/allocations", arguments[0]);
    *end = '/';
    setenv("LD_PRELOAD", library, 1);
    setenv("ALLOCATIONS", file, 1);
    execv(program, arguments);
    perror(program);
    return 1;
}
