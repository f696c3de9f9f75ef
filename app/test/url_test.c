#include "http/url.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *text, *host, *port, *target;
} urls[] = {
    {"http://a", "a", "80", ""},
    {"http://a/", "a", "80", "/"},
    {"HTTP://A-b_c.example./x", "A-b_c.example.", "80", "/x"},
    {"http://127.0.0.1:8080/b/c?d=e&f=%20", "127.0.0.1", "8080", "/b/c?d=e&f=%20"},
    {"http://a?x", "a", "80", "?x"},
    {"http://a:81?x/y", "a", "81", "?x/y"},
    {"http://a#b", "a", "80", ""},
    {"http://a/b?c#d?e", "a", "80", "/b?c"},
    {"http://a/b@c:1", "a", "80", "/b@c:1"},
    {"http://a:/", "a", "80", "/"},
    {"http://a:", "a", "80", ""},
    {"http://a:0/", "a", "0", "/"},
    {"http://a:65535/", "a", "65535", "/"},
    {"http://a:00080/", "a", "00080", "/"},
    {"http://[::1]", "::1", "80", ""},
    {"http://[::1]:8080/x", "::1", "8080", "/x"},
    {"http://[::ffff:127.0.0.1]:1?x", "::ffff:127.0.0.1", "1", "?x"},
};

static const struct {
    const char *text, *complaint;
} bad_urls[] = {
    {"", "not a URL of the form"},
    {"nonsense", "not a URL of the form"},
    {"ftp://a/", "not a URL of the form"},
    {"http:/a/", "not a URL of the form"},
    {"http://", "not a URL of the form"},
    {"http:///a", "not a URL of the form"},
    {"http://?a", "not a URL of the form"},
    {"https://a/", "no TLS"},
    {"HTTPS://a/", "no TLS"},
    {"http://user@a/", "user name"},
    {"http://user:password@a:80/", "user name"},
    {"http://@a/", "user name"},
    {"http://:80/", "host"},
    {"http://a b/", "host"},
    {"http://a%41/", "host"},
    {"http://\xc3\xa4/", "host"},
    {"http://a\\b/", "host"},
    {"http://a\n/", "host"},
    {"http://a:b/", "port"},
    {"http://a:65536/", "port"},
    {"http://a:000080/", "port"},
    {"http://a:123456/", "port"},
    {"http://a:-1/", "port"},
    {"http://a:8 /", "port"},
    {"http://[::1]:x/", "port"},
    {"http://::1/", "IPv6"},
    {"http://::1:80/", "IPv6"},
    {"http://a:80:80/", "IPv6"},
    {"http://[::1/", "IPv6"},
    {"http://[/", "IPv6"},
    {"http://[]/", "host"},
    {"http://[::1]80/", "IPv6"},
    {"http://[::1]]/", "IPv6"},
    {"http://[127.0.0.1]/", "IPv6"},
    {"http://[a]/", "IPv6"},
    {"http://[v1.a]/", "IPv6"},
    {"http://[fe80::1%25lo]/", "IPv6"},
    {"http://a/ b", "percent-encode"},
    {"http://a/\r\nX:y", "percent-encode"},
    {"http://a/\xc3\xa4", "percent-encode"},
    {"http://a?\"", "percent-encode"},
    {"http://a/\x7f", "percent-encode"},
};

void test_url(void)
{
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct url url = {0};
        const char *complaint = url_parse(urls[i].text, &url);
        ok(!complaint && strcmp(url.host, urls[i].host) == 0 &&
               strcmp(url.port, urls[i].port) == 0 &&
               (size_t)url.target_length == strlen(urls[i].target) &&
               memcmp(url.target, urls[i].target, strlen(urls[i].target)) == 0,
           "%s is host %s, port %s, target %s", urls[i].text, urls[i].host, urls[i].port,
           urls[i].target);
    }
    for (size_t i = 0; i < sizeof bad_urls / sizeof *bad_urls; i++) {
        struct url url = {.port = "x"};
        const char *complaint = url_parse(bad_urls[i].text, &url);
        ok(complaint && strstr(complaint, bad_urls[i].complaint) && strcmp(url.port, "x") == 0,
           "URL %zu of the bad ones is refused: %s", i, bad_urls[i].complaint);
    }
    char text[4096];
    struct url url;
    (void)snprintf(text, sizeof text, "http://%0255d:80/%01999d#%0100d", 0, 0, 0);
    ok(!url_parse(text, &url) && strlen(url.host) == URL_HOST_MAX &&
           url.target_length == URL_TARGET_MAX,
       "a host of 255 bytes and a target of 2000 are accepted");
    (void)snprintf(text, sizeof text, "http://%0256d/", 0);
    ok(url_parse(text, &url), "a longer host is refused");
    (void)snprintf(text, sizeof text, "http://a/%02000d", 0);
    ok(url_parse(text, &url), "a longer target is refused");
}
