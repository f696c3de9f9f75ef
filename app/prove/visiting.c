#include "prove/visiting.h"

#include "base/clock.h"
#include "prove/baseline.h"
#include "prove/exchange.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    KEPT_CONNECTIONS = 4, /* of a lane, so that it sees several pods of a Service */
    LATE_US = 100000,     /* a visit that is due for longer is missed */
    SECOND_US = 1000000,
    RETRY_US = 100000, /* between two tries to find a pod, at first; see retry_us() */
    PROGRESS_US = 10 * SECOND_US,
    EVENTS_MAX = 256,
};

struct exchanges {
    struct exchange *first, *last;
    unsigned count;
};

struct lane_work {
    struct target *target;
    bool is_kept;
    struct exchanges kept; /* the one that was used longest ago is first */
    unsigned open;         /* of kept connections, with those in use */
    unsigned turn;         /* of the addresses */
};

struct target_work {
    struct target *target;
    unsigned lanes[2], lanes_count, version_turn;
    uint64_t turn;
    int64_t next_due_us, next_version_us;
    bool has_responded, has_complained, is_old;
};

/* The file of which pod is being read, and for what. */
struct reading {
    struct exchange *exchange;
    unsigned target, turn, tries;
    int64_t next_us;
    struct pod_proof *pod; /* NULL until its head has come, and for a baseline */
    struct pod *met;       /* the pod of a baseline */
    bool asks_for_file;    /* after /version, on the same connection, if the pod is wanted */
    bool is_begun, is_unwanted;
    struct baseline baseline;
    struct baseline_maker maker;
};

struct work {
    const struct visiting *visiting;
    struct journal *journal;
    struct proof *proof; /* NULL while baselines are read */
    int epoll, timer, signals;
    struct target_work targets[TARGETS_MAX];
    struct lane_work lanes[2 * TARGETS_MAX];
    unsigned lanes_count;
    struct exchanges pending, ready; /* in the order of their deadlines; connected, to be sent */
    struct reading reading;
    bool is_stopped;
    const char *failure;
    uint64_t next_id;
    int64_t progress_us, begun_us;
};

static void append(struct exchanges *list, struct exchange *exchange)
{
    exchange->previous = list->last;
    exchange->next = NULL;
    *(list->last ? &list->last->next : &list->first) = exchange;
    list->last = exchange;
    list->count++;
}

/* Nearly always at the end: all have the same time, but to connect takes some of it. */
static void append_by_deadline(struct exchanges *list, struct exchange *exchange)
{
    struct exchange *before = list->last;
    while (before && before->deadline_us > exchange->deadline_us)
        before = before->previous;
    if (before == list->last) {
        append(list, exchange);
        return;
    }
    struct exchange *after = before ? before->next : list->first;
    exchange->previous = before;
    exchange->next = after;
    *(before ? &before->next : &list->first) = exchange;
    after->previous = exchange;
    list->count++;
}

static void take_out(struct exchanges *list, struct exchange *exchange)
{
    *(exchange->previous ? &exchange->previous->next : &list->first) = exchange->next;
    *(exchange->next ? &exchange->next->previous : &list->last) = exchange->previous;
    list->count--;
}

static int64_t min_us(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

static int64_t now_us(const struct work *work)
{
    return journal_now_us(work->journal);
}

static void put_progress(struct work *work)
{
    const struct evidence *evidence = work->journal->evidence;
    uint64_t acknowledged = 0, refused = 0, unknown = 0, unsent = 0;
    unsigned restarts = 0;
    for (unsigned i = 0; i < LANES_MAX; i++) {
        const struct lane *lane = evidence->lanes[i];
        if (!lane)
            continue;
        acknowledged += lane->acknowledged;
        refused += lane->refused;
        unknown += lane->unknown;
        unsent += lane->unsent;
    }
    for (unsigned i = 0; i < evidence->pods_count; i++)
        restarts += evidence->pods[i]->restarts;
    work->visiting->say("%lld s: %llu acknowledged, %llu refused, %llu unknown, %llu not sent; "
                        "pods %u, restarts %u",
                        (long long)(now_us(work) - work->begun_us + SECOND_US / 2) / SECOND_US,
                        (unsigned long long)acknowledged, (unsigned long long)refused,
                        (unsigned long long)unknown, (unsigned long long)unsent,
                        evidence->pods_count, restarts);
}

static void say_finding(struct work *work, enum finding finding, const struct event *event)
{
    const struct evidence *evidence = work->journal->evidence;
    const struct lane *lane = event->lane < LANES_MAX ? evidence->lanes[event->lane] : NULL;
    const struct pod *pod = event->pod ? evidence_pod(evidence, event->pod) : NULL;
    char buffer[32];
    struct text lasted = text_begin(buffer, sizeof buffer);
    switch (finding) {
    case FOUND_WENT_BACK:
        work->visiting->say("pod %s: its numbers went back: %llu after %llu had been acknowledged",
                            pod->name, (unsigned long long)event->number,
                            (unsigned long long)pod->last_back.from);
        break;
    case FOUND_RESTART:
        work->visiting->say("pod %s: a new process runs since %s", pod->name, event->text);
        break;
    case FOUND_GAP:
        work->visiting->say("%s over %s connections: a gap begins: %s", lane->target, lane->kind,
                            event->kind == EVENT_REFUSED ? "refused" : event->word);
        break;
    case FOUND_GAP_END:
        put_duration(&lasted, event->time_us - lane->gap_since_us);
        work->visiting->say("%s over %s connections: the gap ends after %s", lane->target,
                            lane->kind, lasted.data);
        break;
    case FOUND_IMPOSSIBLE:
        work->failure = "the prover noted what cannot be";
        break;
    case FOUND_NO_MEMORY:
        work->failure = "there is no memory for the ledger";
        break;
    default:
        break;
    }
}

static void note(struct work *work, struct event event)
{
    say_finding(work, journal_note(work->journal, &event), &event);
}

static void watch(struct work *work, struct exchange *exchange, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = exchange};
    (void)epoll_ctl(work->epoll, operation, exchange->fd, &event);
}

/* The word for an errno of connect(2) or send(2). */
static const char *word_for(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ETIMEDOUT:
        return "timeout";
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
        return "unreachable";
    case ECONNRESET:
    case EPIPE:
    case ENODATA:
    case ECONNABORTED:
        return "cut";
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EADDRNOTAVAIL:
        return "prover";
    default:
        return "error";
    }
}

static void note_unsent(struct work *work, unsigned lane, int64_t due_us, const char *word)
{
    int64_t time_us = now_us(work);
    note(work, (struct event){.kind = EVENT_UNSENT,
                              .lane = lane,
                              .time_us = time_us,
                              .latency_us = time_us > due_us ? time_us - due_us : 0,
                              .word = word});
}

static int64_t retry_us(const struct reading *reading)
{
    enum { AT_FIRST = 4, DOUBLINGS = 5 };
    unsigned doublings = reading->tries / AT_FIRST;
    return RETRY_US << (doublings < DOUBLINGS ? doublings : DOUBLINGS);
}

static void close_exchange(struct work *work, struct exchange *exchange)
{
    if (exchange->purpose == PURPOSE_VISIT && work->lanes[exchange->lane].is_kept)
        work->lanes[exchange->lane].open--;
    if (exchange == work->reading.exchange) {
        work->reading.exchange = NULL;
        work->reading.next_us = now_us(work) + retry_us(&work->reading);
    }
    exchange_close(exchange);
}

/* A visit whose request was sent and that got no whole response, or whose request was not sent. */
static void fail_visit(struct work *work, struct exchange *exchange, const char *word)
{
    int64_t time_us = now_us(work);
    if (exchange->state != EXCHANGE_SENT)
        note_unsent(work, exchange->lane, exchange->due_us, word);
    else
        note(work, (struct event){.kind = EVENT_UNKNOWN,
                                  .id = exchange->id,
                                  .lane = exchange->lane,
                                  .time_us = time_us,
                                  .latency_us = time_us - exchange->due_us,
                                  .word = word});
}

static void complain(struct work *work, struct target_work *target, const char *why)
{
    char buffer[32];
    struct text wait = text_begin(buffer, sizeof buffer);
    if (target->has_responded || target->has_complained)
        return;
    put_duration(&wait, (int64_t)work->visiting->wait_ms * 1000);
    work->visiting->say("%s: %s; waiting for up to %s", target->target->text, why, wait.data);
    target->has_complained = true;
}

static struct target_work *work_of(struct work *work, const struct target *target)
{
    struct target_work *found = work->targets;
    while (found->target != target)
        found++;
    return found;
}

static void fail(struct work *work, struct exchange *exchange, const char *word)
{
    take_out(&work->pending, exchange);
    if (exchange->purpose == PURPOSE_VISIT)
        fail_visit(work, exchange, word);
    if (exchange->purpose == PURPOSE_VERSION)
        complain(work, work_of(work, exchange->target), word);
    close_exchange(work, exchange);
}

static struct exchange *start(struct work *work, struct target *target, unsigned turn,
                              enum exchange_purpose purpose, int64_t due_us)
{
    struct address address;
    if (target_address(target, turn, &address) == 0) {
        errno = 0; /* no address is known */
        return NULL;
    }
    struct exchange *exchange = exchange_connect(&address);
    if (!exchange)
        return NULL;
    exchange->purpose = purpose;
    exchange->target = target;
    exchange->due_us = due_us;
    exchange->deadline_us = now_us(work) + (int64_t)work->visiting->timeout_ms * 1000;
    append_by_deadline(&work->pending, exchange);
    watch(work, exchange, EPOLLOUT, EPOLL_CTL_ADD);
    return exchange;
}

/* The request goes out after the intent is in the ledger. */
static void make_ready(struct work *work, struct exchange *exchange)
{
    take_out(&work->pending, exchange);
    append(&work->ready, exchange);
    if (exchange->purpose != PURPOSE_VISIT)
        return;
    exchange->id = work->next_id++;
    note(work, (struct event){.kind = EVENT_SENT, .id = exchange->id, .lane = exchange->lane});
}

static int send_request(struct work *work, struct exchange *exchange)
{
    const struct target *target = exchange->target;
    const struct url *url = &target->url;
    char path[URL_TARGET_MAX + 1];
    const char *fields = "Connection: close\r\n";
    switch (exchange->purpose) {
    case PURPOSE_VISIT:
        (void)snprintf(path, sizeof path, "%s%.*s", *url->target == '/' ? "" : "/",
                       url->target_length, url->target);
        fields = work->lanes[exchange->lane].is_kept
                     ? "Accept: application/json\r\n"
                     : "Accept: application/json\r\nConnection: close\r\n";
        return exchange_send(exchange, path, "", fields);
    case PURPOSE_VERSION:
        return exchange_send(exchange, target->prefix, "version", fields);
    default:
        return work->reading.asks_for_file
                   ? exchange_send(exchange, target->prefix, "visits?format=raw", fields)
                   : exchange_send(exchange, target->prefix, "version", "");
    }
}

static void send_ready(struct work *work)
{
    struct exchange *exchange;
    journal_flush(work->journal);
    if (work->journal->error)
        work->failure = "the ledger cannot be written";
    while (!work->failure && (exchange = work->ready.first)) {
        take_out(&work->ready, exchange);
        append_by_deadline(&work->pending, exchange);
        if (send_request(work, exchange) != 0)
            fail(work, exchange, word_for(errno));
        else
            watch(work, exchange, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void visit(struct work *work, unsigned number, int64_t due_us)
{
    struct lane_work *lane = &work->lanes[number];
    struct exchange *exchange;
    while (lane->open >= KEPT_CONNECTIONS && (exchange = lane->kept.first)) {
        take_out(&lane->kept, exchange);
        if (exchange_is_stale(exchange)) {
            close_exchange(work, exchange);
            continue;
        }
        exchange->due_us = due_us;
        exchange->deadline_us = now_us(work) + (int64_t)work->visiting->timeout_ms * 1000;
        exchange->state = EXCHANGE_CONNECTED;
        append(&work->pending, exchange);
        make_ready(work, exchange);
        return;
    }
    exchange = start(work, lane->target, lane->turn++, PURPOSE_VISIT, due_us);
    if (!exchange) {
        note_unsent(work, number, due_us, errno ? word_for(errno) : "unresolved");
        return;
    }
    exchange->lane = number;
    lane->open += lane->is_kept;
}

/* Starts the visits that are due. Returns when the next one is. */
static int64_t visit_due(struct work *work)
{
    int64_t next_us = INT64_MAX, time_us = now_us(work);
    for (unsigned i = 0; i < work->visiting->targets_count; i++) {
        struct target_work *target = &work->targets[i];
        while (target->next_due_us <= time_us) {
            unsigned lane = target->lanes[target->turn++ % target->lanes_count];
            if (target->next_due_us < time_us - LATE_US)
                note(work, (struct event){.kind = EVENT_MISSED, .lane = lane, .number = 1});
            else
                visit(work, lane, target->next_due_us);
            target->next_due_us =
                work->begun_us + (int64_t)(target->turn * SECOND_US / work->visiting->rate);
        }
        next_us = min_us(next_us, target->next_due_us);
    }
    return next_us;
}

static void keep_or_close(struct work *work, struct exchange *exchange)
{
    struct lane_work *lane = &work->lanes[exchange->lane];
    /* Who refuses may be another server that has got the address of a pod. */
    bool is_kept = lane->is_kept && exchange->response->status == 200 &&
                   !exchange->response->closes && lane->kept.count < KEPT_CONNECTIONS &&
                   !work->is_stopped;
    exchange_reset(exchange);
    if (!is_kept) {
        close_exchange(work, exchange);
        return;
    }
    exchange->state = EXCHANGE_KEPT;
    append(&lane->kept, exchange);
}

static void take_visit(struct work *work, struct exchange *exchange)
{
    const struct client_response *response = exchange->response;
    char pod[LEDGER_WORD_MAX + 1], number[24], time[MOMENT_SIZE];
    struct moment moment;
    int64_t time_us = now_us(work);
    struct event event = {.kind = EVENT_REFUSED,
                          .id = exchange->id,
                          .lane = exchange->lane,
                          .time_us = time_us,
                          .latency_us = time_us - exchange->due_us,
                          .number = (uint64_t)response->status};
    if (response->status == 200 &&
        json_member(response->body, response->body_kept, "pod", pod, sizeof pod) == 0 &&
        json_member(response->body, response->body_kept, "visit", number, sizeof number) == 0 &&
        json_member(response->body, response->body_kept, "time", time, sizeof time) == 0 &&
        ledger_is_word(pod, strlen(pod)) && strlen(time) == MOMENT_LENGTH &&
        moment_parse(time, &moment) == 0 &&
        parse_number(number, strlen(number), 1, UINT64_MAX, &event.number) == 0) {
        event.kind = EVENT_ACKNOWLEDGED;
        event.pod = pod;
        event.text = time;
    }
    note(work, event);
    keep_or_close(work, exchange);
}

/* Takes what /version says. Returns whether a web-app has said it, with its pod, "" if it has none.
 */
static bool take_server(struct work *work, const struct exchange *exchange,
                        char ret_pod[LEDGER_WORD_MAX + 1])
{
    struct target_work *target = work_of(work, exchange->target);
    const struct client_response *response = exchange->response;
    const char *body = response->body;
    size_t length = response->body_kept;
    char name[16] = "", started[MOMENT_SIZE], sync[16];
    struct moment moment;
    *ret_pod = '\0';
    if (response->status != 200 || json_member(body, length, "name", name, sizeof name) != 0 ||
        strcmp(name, "web-app") != 0)
        return false;
    if (json_member(body, length, "pod", ret_pod, LEDGER_WORD_MAX + 1) != 0 ||
        !ledger_is_word(ret_pod, strlen(ret_pod))) {
        *ret_pod = '\0';
        return true;
    }
    if (json_member(body, length, "started", started, sizeof started) == 0 &&
        strlen(started) == MOMENT_LENGTH && moment_parse(started, &moment) == 0 &&
        json_member(body, length, "sync", sync, sizeof sync) == 0 &&
        ledger_is_word(sync, strlen(sync))) {
        const struct pod *known = evidence_pod(work->journal->evidence, ret_pod);
        if (!known || strcmp(known->started, started) != 0 || strcmp(known->sync, sync) != 0)
            note(work, (struct event){
                           .kind = EVENT_SERVER, .pod = ret_pod, .word = sync, .text = started});
    } else if (!target->is_old) {
        work->visiting->say(
            "%s: its /version does not say since when it runs: restarts are not seen",
            target->target->text);
        target->is_old = true;
    }
    return true;
}

static void take_version(struct work *work, struct exchange *exchange)
{
    struct target_work *target = work_of(work, exchange->target);
    char pod[LEDGER_WORD_MAX + 1];
    bool is_ours = take_server(work, exchange, pod);
    if (!is_ours && !target->has_responded && exchange->response->status / 100 != 5)
        work->failure = "no web-app responds there";
    if (!is_ours)
        complain(work, target, "there is no /version of a web-app");
    target->has_responded |= is_ours;
    close_exchange(work, exchange);
}

/* Which file is wanted: while visiting that of a pod without a baseline, then those not yet read.
 */
static bool wants_pods(const struct work *work)
{
    const struct evidence *evidence = work->journal->evidence;
    for (unsigned i = 0; work->proof && i < work->proof->pods_count; i++)
        if (!work->proof->pods[i].is_read)
            return true;
    for (unsigned i = 0; !work->proof && i < evidence->pods_count; i++)
        if (evidence->pods[i]->visits_count > 0 && !evidence->pods[i]->baseline.is_known)
            return true;
    return false;
}

static void find_wanted(struct work *work, const char *name)
{
    struct reading *reading = &work->reading;
    for (unsigned i = 0; work->proof && i < work->proof->pods_count; i++)
        if (!work->proof->pods[i].is_read && strcmp(work->proof->pods[i].pod->name, name) == 0)
            reading->pod = &work->proof->pods[i];
    struct pod *met = work->proof ? NULL : evidence_pod(work->journal->evidence, name);
    if (met && met->visits_count > 0 && !met->baseline.is_known)
        reading->met = met;
}

/* The head of a listing has come. It may be of another pod than /version was: a proxy chooses one
 * for each request. */
static void begin_reading(struct work *work)
{
    struct reading *reading = &work->reading;
    const struct client_response *response = reading->exchange->response;
    reading->is_begun = true;
    reading->pod = NULL;
    reading->met = NULL;
    if (response->status == 200)
        find_wanted(work, response->pod);
    if (reading->met)
        baseline_begin(&reading->maker, &reading->baseline);
    else if (!reading->pod || comparison_begin(&reading->pod->comparison, work->journal->evidence,
                                               reading->pod->pod) != 0)
        reading->is_unwanted = true;
}

static void take_lines(void *context, const char *bytes, size_t length)
{
    struct work *work = context;
    struct reading *reading = &work->reading;
    if (!reading->is_begun)
        begin_reading(work);
    if (reading->is_unwanted)
        return;
    reading->exchange->deadline_us = now_us(work) + (int64_t)work->visiting->timeout_ms * 1000;
    if (reading->met)
        baseline_feed(&reading->maker, bytes, length);
    else
        comparison_feed(&reading->pod->comparison, bytes, length);
}

static const char *text_or_dash(const char *text)
{
    return *text ? text : "-";
}

static void note_baseline(struct work *work, const char *pod, const struct baseline *baseline)
{
    for (unsigned i = 0; i + 1 < baseline->marks_count; i++)
        note(work, (struct event){.kind = EVENT_MARK,
                                  .pod = pod,
                                  .number = baseline->marks[i].lines,
                                  .hash = baseline->marks[i].hash});
    note(work, (struct event){.kind = EVENT_BASELINE,
                              .pod = pod,
                              .number = baseline->lines,
                              .hash = baseline->marks[baseline->marks_count - 1].hash,
                              .word = text_or_dash(baseline->first),
                              .text = text_or_dash(baseline->last)});
}

static void end_reading(struct work *work)
{
    struct reading *reading = &work->reading;
    if (!reading->is_begun)
        begin_reading(work); /* the file is empty */
    if (reading->met || (reading->pod && !reading->is_unwanted))
        reading->tries = 0;
    if (reading->met) {
        baseline_end(&reading->maker);
        note_baseline(work, reading->met->name, &reading->baseline);
        work->visiting->say("met pod %s: %llu lines in its file", reading->met->name,
                            (unsigned long long)reading->baseline.lines);
    } else if (reading->pod && !reading->is_unwanted) {
        proof_set_grace(work->proof, reading->pod);
        comparison_end(&reading->pod->comparison, reading->pod->grace_us);
        reading->pod->is_read = true;
        work->visiting->say("read the file of %s: %llu lines", reading->pod->pod->name,
                            (unsigned long long)reading->pod->comparison.lines);
    }
}

/* The response to /version has come: asks for the file on the same connection, if it is wanted. */
static void ask_for_file(struct work *work)
{
    struct reading *reading = &work->reading;
    struct exchange *exchange = reading->exchange;
    char pod[LEDGER_WORD_MAX + 1];
    if (take_server(work, exchange, pod))
        find_wanted(work, pod);
    if ((!reading->pod && !reading->met) || exchange->response->closes) {
        close_exchange(work, exchange);
        return;
    }
    exchange_reset(exchange);
    exchange->state = EXCHANGE_CONNECTED;
    exchange->deadline_us = now_us(work) + (int64_t)work->visiting->timeout_ms * 1000;
    reading->asks_for_file = true;
    append(&work->ready, exchange);
}

/* Starts to read a file, if one is wanted, from the next address. Returns when to try again. */
static int64_t read_due(struct work *work)
{
    struct reading *reading = &work->reading;
    int64_t time_us = now_us(work);
    struct address address;
    if (reading->exchange || !wants_pods(work))
        return INT64_MAX;
    if (time_us < reading->next_us)
        return reading->next_us;
    struct target *target = work->visiting->targets[reading->target];
    unsigned turn = reading->turn++;
    *reading = (struct reading){.target = reading->target,
                                .turn = reading->turn,
                                .tries = reading->tries + 1,
                                .next_us = time_us + RETRY_US};
    if (reading->turn >= target_address(target, 0, &address)) {
        reading->turn = 0;
        reading->target = (reading->target + 1) % work->visiting->targets_count;
    }
    reading->exchange = start(work, target, turn, PURPOSE_READ, time_us);
    return reading->next_us;
}

static void receive(struct work *work, struct exchange *exchange)
{
    bool is_reading = exchange == work->reading.exchange;
    if (is_reading && work->reading.asks_for_file && !exchange->response) {
        exchange->response = calloc(1, sizeof *exchange->response);
        if (exchange->response) {
            exchange->response->take_body = take_lines;
            exchange->response->take_body_context = work;
        }
    }
    int received = exchange_receive(exchange);
    if (received < 0) {
        fail(work, exchange, word_for(errno));
    } else if (is_reading && work->reading.is_unwanted) {
        fail(work, exchange, "");
    } else if (received > 0 && exchange->response->state == CLIENT_RESPONSE_MALFORMED) {
        fail(work, exchange, "malformed");
    } else if (received > 0) {
        take_out(&work->pending, exchange);
        if (exchange->purpose == PURPOSE_VISIT) {
            take_visit(work, exchange);
        } else if (exchange->purpose == PURPOSE_VERSION) {
            take_version(work, exchange);
        } else if (!work->reading.asks_for_file) {
            ask_for_file(work);
        } else {
            end_reading(work);
            close_exchange(work, exchange);
        }
    }
}

static void handle(struct work *work, struct exchange *exchange)
{
    switch (exchange->state) {
    case EXCHANGE_CONNECTING:
        if (exchange_connected(exchange) != 0)
            fail(work, exchange, word_for(errno));
        else
            make_ready(work, exchange);
        break;
    case EXCHANGE_SENT:
        receive(work, exchange);
        break;
    case EXCHANGE_KEPT: /* the server has closed it */
        take_out(&work->lanes[exchange->lane].kept, exchange);
        close_exchange(work, exchange);
        break;
    default:
        break;
    }
}

/* Those whose time is over. Returns when the next one's is. */
static int64_t expire(struct work *work)
{
    int64_t time_us = now_us(work), next_us = INT64_MAX;
    for (struct exchange *exchange = work->pending.first, *next; exchange; exchange = next) {
        next = exchange->next;
        if (exchange->deadline_us <= time_us)
            fail(work, exchange, "timeout");
        else
            next_us = min_us(next_us, exchange->deadline_us);
        /* Only a file that is being read has its deadline moved. */
        if (next_us != INT64_MAX && exchange != work->reading.exchange)
            break;
    }
    return next_us;
}

/* Asks each target for its version once a second. Returns when the next one is due. */
static int64_t ask_versions(struct work *work)
{
    int64_t time_us = now_us(work), next_us = INT64_MAX;
    int error;
    for (unsigned i = 0; i < work->visiting->targets_count; i++) {
        struct target_work *target = &work->targets[i];
        if (target->next_version_us <= time_us) {
            bool is_asked =
                start(work, target->target, target->version_turn++, PURPOSE_VERSION, time_us);
            target->next_version_us = time_us + (is_asked ? SECOND_US : RETRY_US);
            if (!is_asked && target_is_looked_up(target->target, &error))
                complain(work, target, error ? gai_strerror(error) : strerror(errno));
        }
        next_us = min_us(next_us, target->next_version_us);
    }
    return next_us;
}

/* Waits for events until UNTIL_US and handles them. */
static void iterate(struct work *work, int64_t until_us)
{
    struct epoll_event events[EVENTS_MAX];
    send_ready(work);
    until_us = min_us(until_us, min_us(expire(work), min_us(ask_versions(work), read_due(work))));
    int64_t left_us = until_us - now_us(work);
    struct itimerspec timer = {
        .it_value = {.tv_sec = left_us / SECOND_US, .tv_nsec = left_us % SECOND_US * 1000}};
    if (left_us > 0)
        (void)timerfd_settime(work->timer, 0, &timer, NULL);
    int count = epoll_wait(work->epoll, events, EVENTS_MAX, left_us > 0 ? -1 : 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr)
            handle(work, events[i].data.ptr);
    }
    uint64_t expirations;
    struct signalfd_siginfo signal;
    (void)!read(work->timer, &expirations, sizeof expirations);
    if (read(work->signals, &signal, sizeof signal) > 0)
        work->is_stopped = true;
}

static int open_work(struct work *work)
{
    sigset_t signals;
    struct epoll_event event = {.events = EPOLLIN};
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    work->epoll = epoll_create1(EPOLL_CLOEXEC);
    work->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    work->signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return work->epoll >= 0 && epoll_ctl(work->epoll, EPOLL_CTL_ADD, work->timer, &event) == 0 &&
                   epoll_ctl(work->epoll, EPOLL_CTL_ADD, work->signals, &event) == 0
               ? 0
               : -1;
}

static void close_all(struct work *work, struct exchanges *list)
{
    struct exchange *exchange;
    while ((exchange = list->first)) {
        take_out(list, exchange);
        close_exchange(work, exchange);
    }
}

static void close_work(struct work *work)
{
    close_all(work, &work->pending);
    close_all(work, &work->ready);
    for (unsigned i = 0; i < work->lanes_count; i++)
        close_all(work, &work->lanes[i].kept);
    (void)close(work->epoll);
    (void)close(work->timer);
    (void)close(work->signals);
}

static void add_lane(struct work *work, struct target_work *target, bool is_kept)
{
    unsigned number = work->lanes_count++;
    work->lanes[number] = (struct lane_work){.target = target->target, .is_kept = is_kept};
    target->lanes[target->lanes_count++] = number;
    note(work, (struct event){.kind = EVENT_LANE,
                              .lane = number,
                              .word = is_kept ? "kept" : "new",
                              .text = target->target->text});
}

static void begin_work(struct work *work, const struct visiting *visiting, struct journal *journal)
{
    *work = (struct work){.visiting = visiting, .journal = journal};
    work->next_id = journal->evidence->next_id;
    work->begun_us = now_us(work);
    for (unsigned i = 0; i < visiting->targets_count; i++)
        work->targets[i].target = visiting->targets[i];
}

/* Waits until each target has responded. Each has got the time for one try, even with --wait=0s. */
static void wait_for_targets(struct work *work)
{
    int64_t give_up_us = work->begun_us + (int64_t)work->visiting->wait_ms * 1000;
    int64_t one_try_us = work->begun_us + (int64_t)work->visiting->timeout_ms * 1000;
    for (unsigned missing = 1; missing > 0 && !work->failure && !work->is_stopped;) {
        unsigned untried = 0;
        missing = 0;
        iterate(work, now_us(work) + RETRY_US);
        for (unsigned i = 0; i < work->visiting->targets_count; i++) {
            missing += !work->targets[i].has_responded;
            untried += !work->targets[i].has_responded && !work->targets[i].has_complained;
        }
        if (missing > 0 && now_us(work) >= give_up_us &&
            (untried == 0 || now_us(work) >= one_try_us))
            work->failure = missing == 1 ? "a URL did not respond at the beginning"
                                         : "some URLs did not respond at the beginning";
    }
}

static void visit_until_end(struct work *work)
{
    int64_t end_us = work->visiting->for_ms
                         ? work->begun_us + (int64_t)work->visiting->for_ms * 1000
                         : INT64_MAX;
    while (!work->is_stopped && !work->failure && now_us(work) < end_us) {
        if (now_us(work) >= work->progress_us) {
            put_progress(work);
            work->progress_us += PROGRESS_US;
        }
        int64_t next_us = min_us(visit_due(work), work->progress_us);
        iterate(work, min_us(next_us, end_us));
    }
}

static unsigned visits_under_way(const struct work *work)
{
    unsigned count = 0;
    for (const struct exchange *exchange = work->pending.first; exchange; exchange = exchange->next)
        count += exchange->purpose == PURPOSE_VISIT;
    return count + work->ready.count;
}

const char *visit_targets(const struct visiting *visiting, struct journal *journal)
{
    struct work *work = malloc(sizeof *work);
    if (!work)
        return "there is no memory";
    begin_work(work, visiting, journal);
    if (open_work(work) != 0)
        return "there is no descriptor for epoll(7)";
    wait_for_targets(work);
    if (!work->failure && !work->is_stopped) {
        note(work, (struct event){.kind = EVENT_RUN, .text = WEB_APP_VERSION});
        for (unsigned i = 0; i < visiting->targets_count; i++) {
            if (visiting->connections != CONNECTIONS_KEPT)
                add_lane(work, &work->targets[i], false);
            if (visiting->connections != CONNECTIONS_NEW)
                add_lane(work, &work->targets[i], true);
        }
        work->begun_us = now_us(work);
        for (unsigned i = 0; i < visiting->targets_count; i++)
            work->targets[i].next_due_us = work->begun_us;
        work->progress_us = work->begun_us + PROGRESS_US;
        visit_until_end(work);
        work->is_stopped = false;
        while (visits_under_way(work) > 0 && !work->failure && !work->is_stopped)
            iterate(work, now_us(work) + SECOND_US);
    }
    const char *failure = work->failure;
    if (work->reading.is_begun)
        work->reading.is_unwanted = true;
    close_work(work);
    journal_flush(journal);
    free(work);
    if (evidence_end(journal->evidence) != 0 && !failure)
        failure = "there is no memory for the ledger";
    return failure;
}

void read_pods(const struct visiting *visiting, struct journal *journal, struct proof *proof)
{
    struct work *work = malloc(sizeof *work);
    if (!work)
        return;
    begin_work(work, visiting, journal);
    work->proof = proof;
    if (open_work(work) == 0) {
        int64_t wait_ms =
            visiting->wait_ms > visiting->timeout_ms ? visiting->wait_ms : visiting->timeout_ms;
        int64_t give_up_us = work->begun_us + wait_ms * 1000;
        work->progress_us = work->begun_us + PROGRESS_US;
        while (wants_pods(work) && !work->is_stopped && now_us(work) < give_up_us) {
            iterate(work, min_us(give_up_us, work->progress_us));
            if (now_us(work) >= work->progress_us) {
                for (unsigned i = 0; i < proof->pods_count; i++)
                    if (!proof->pods[i].is_read)
                        visiting->say("waiting for the file of %s", proof->pods[i].pod->name);
                work->progress_us += PROGRESS_US;
            }
        }
        close_work(work);
    }
    journal_flush(journal);
    free(work);
}
