/* Every limit of the program that is no setting, with its reason. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* JSON: deeper or larger than any payload on record, far below what costs a stack or seconds. */
#define JSON_DEPTH_MAX 128
#define JSON_VALUES_MAX 65536

/* Flashduty's limits of a standard event, in characters; beyond them it cuts without a sign. */
#define ALERT_TITLE_MAX 512
#define ALERT_DESCRIPTION_MAX 2048
#define ALERT_KEY_MAX 255
#define ALERT_LABELS_MAX 50
#define ALERT_LABEL_NAME_MAX 128
#define ALERT_LABEL_VALUE_MAX 2048

/* An integration key in the push URL. */
#define KEY_LENGTH_MAX 128
/* A push key made for the gateway guards a page at night: no shorter than this. */
#define PUSH_KEY_LENGTH_MIN 16

/* Of a Flashduty key, so many characters are shown: nobody needs more to recognise it. */
#define KEY_SHOWN 4

/* One log record, with its newline. */
#define LOG_LINE_MAX 1024

/* An answer of Flashduty is a few hundred bytes; a proxy's page is read this far. */
#define ANSWER_BYTES_MAX 65536
/* A confirmation's answer is a line of JSON. */
#define GUARDED_GET_BYTES_MAX 16384
#define GUARDED_GET_TIMEOUT_MS 2500
/* A certificate of SMN leaves most of deadline_ms to forwarding. */
#define CERTIFICATE_TIMEOUT_MS 1500

/* Name resolution, TCP and TLS together; leaves time for a second try inside deadline_ms. */
#define CONNECT_TIMEOUT_MS 2000
/* The first try is followed by another after this, doubling. */
#define RETRY_FIRST_MS 200
/* A longer Retry-After is not believed. */
#define RETRY_AFTER_S_MAX 3600

/* All CGI variables of a request: many times what web servers take as a request's head. */
#define REQUEST_HEAD_BYTES_MAX 262144
/* A peer of the FastCGI socket has this long to send head and body. */
#define RECEIVE_TIMEOUT_MS 10000
/* What is in flight at SIGTERM has this long to finish. */
#define SHUTDOWN_TIMEOUT_MS 5000

/* A store whose lock is held longer than this does without the alert, or the alert without it. */
#define STORE_PATIENCE_MS 500
/* One send may take so long; a process that has not reported a moment later is taken for dead, and
 * others go on within 10 s. */
#define SEND_TIMEOUT_MS 8000
#define SEND_LEASE_MS (SEND_TIMEOUT_MS + 1000)
/* After so many failures in a row a destination keeps failing; one that took long counts for all,
 * unless others were accepted meanwhile. */
#define FAILURES_MAX 3
#define LONG_FAILURE_MS 1000
/* A destination that keeps failing is tried by one delivery in this time. */
#define PROBE_MS 5000
/* Deliveries of one Flashduty key, and of all, that a drainer has under way: a key that hangs
 * leaves room for others. */
#define CLAIMS_OF_A_KEY_MAX 16
#define CLAIMS_MAX 128
/* Of one request: what is more, in an array, goes through the outbox at once. */
#define SENDS_OF_A_REQUEST_MAX 64
/* What is not accepted for so long is kept as expired. */
#define EXPIRY_HOURS 72
/* A message that comes again within this time is a repeat. */
#define SEEN_HOURS 120
/* A longer id of a message is kept as its digest: far more than any vendor's. */
#define MESSAGE_ID_BYTES_MAX 400
/* An event further ahead of our clock than this says nothing about which is newer. */
#define CLOCK_TOLERANCE_S 300
/* Who shares a store gives a sign of life so often, and is silent after so long without one. */
#define NODE_SIGN_S 10
#define NODE_SILENT_S 60
/* The link in a subscription's confirmation is good for so long. */
#define CONFIRMATION_HOURS 48
/* Pass-through: a key is known when Flashduty accepted something with it within this time, and may
 * fill this part of outbox_limit. */
#define KNOWN_KEY_DAYS 30
#define KEY_SHARE 100

/* A regular expression of a route; and the processor time that one may take to be found in a text,
 * after which it counts as found. */
#define EXPRESSION_BYTES_MAX 1024
#define EXPRESSION_CPU_MS 25

/* A payload or message given to the command line. */
#define CLI_FILE_BYTES_MAX 16777216

/* More than any configuration needs; a larger file is not a configuration. */
#define CONFIG_FILE_BYTES_MAX 4194304
/* With all files that it names. */
#define KEPT_BYTES_MAX 16777216

#endif
