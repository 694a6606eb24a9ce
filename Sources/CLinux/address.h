// Between clinux_address and the kernel's sockaddr; private to the C target.
#pragma once
#include "include/clinux.h"

#include <netinet/in.h>
#include <sys/socket.h>

socklen_t clinux_to_sockaddr(const struct clinux_address *address, struct sockaddr_storage *storage);
void clinux_from_sockaddr(const struct sockaddr_storage *storage, struct clinux_address *address);
