#pragma once
// MD5_Init and SHA256_Init are deprecated in favour of EVP, which in OpenSSL 3.0 allocates for every hash.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
