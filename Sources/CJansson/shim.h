// Jansson, the library by which Asterisk itself writes JSON.
#pragma once

#include <jansson.h>
