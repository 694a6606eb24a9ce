#pragma once
// MD5_Init and SHA256_Init are deprecated in favour of EVP, which in OpenSSL 3.0 allocates for every hash;
// CMAC_Init in favour of EVP_MAC, which looks its parameters up by name for every one.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/cmac.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
