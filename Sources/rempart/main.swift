// The command line: checks and explains settings, starts the daemon, asks it and tells it.
//
// It runs as its caller, holds no privilege, and is the only program that parses the settings' text.
//
// DIAGNOSTICS Answers go to standard output, everything that went wrong to standard error, one
// message each that says what to do about it. Exit codes: 0 done; 64 the command line itself is
// wrong (EX_USAGE). 1: the settings are wrong, or the daemon is not running, does not answer within
// 10 s, or refuses. `rempart run` becomes the supervisor, whose diagnostics are told in its own
// main file.

internal import ArgumentParser

Rempart.main()
