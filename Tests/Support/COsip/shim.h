#pragma once
#include <stddef.h>
#include <sys/time.h>
#include <osipparser2/osip_parser.h>
