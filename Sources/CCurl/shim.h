// libcurl, and its variadic calls in forms that Swift can call.
#pragma once
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

static inline CURLcode ccurl_set_text(CURL *easy, CURLoption option, const char *text) {
    return curl_easy_setopt(easy, option, text);
}

static inline CURLcode ccurl_set_number(CURL *easy, CURLoption option, long number) {
    return curl_easy_setopt(easy, option, number);
}

static inline CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, void *pointer) {
    return curl_easy_setopt(easy, option, pointer);
}

static inline CURLcode ccurl_set_list(CURL *easy, CURLoption option, struct curl_slist *list) {
    return curl_easy_setopt(easy, option, list);
}

static inline CURLcode ccurl_set_writer(CURL *easy, curl_write_callback writer) {
    return curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, writer);
}

static inline CURLMcode ccurl_set_limit(CURLM *multi, CURLMoption option, long number) {
    return curl_multi_setopt(multi, option, number);
}

static inline CURLcode ccurl_get_number(CURL *easy, CURLINFO info, long *number) {
    return curl_easy_getinfo(easy, info, number);
}

static inline CURLcode ccurl_get_microseconds(CURL *easy, CURLINFO info, curl_off_t *number) {
    return curl_easy_getinfo(easy, info, number);
}

// The transfer that has ended next, and how; NULL when none has.
static inline CURL *ccurl_next_ended(CURLM *multi, CURLcode *result) {
    int left;
    const CURLMsg *message = curl_multi_info_read(multi, &left);
    if (!message) return NULL;
    *result = message->data.result;
    return message->easy_handle;
}
