#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vendors/ces_text.h"

static struct arena arena;

static int clear_arena(void **state)
{
    (void)state;
    assert_false(arena.failed);
    arena_clear(&arena);
    return 0;
}

#define UNKNOWN CES_STATE_UNKNOWN
#define ALARM CES_STATE_ALARM
#define OVER CES_STATE_OK

/* State and level, and what is left when they are gone. */
static void subjects_tell_state_and_level(void **state)
{
    static const struct {
        const char *subject;
        enum ces_state state;
        const char *level, *plain;
    } cases[] = {
        {"[Critical Alarm]From Cloud Eye: The M of N-D \"R\" has triggered an alarm.", ALARM,
         "Critical", "From Cloud Eye: The M of N-D \"R\""},
        {"[Critical Ok]From Cloud Eye: The M of N-D \"R\" has changed to OK from Alarm.", OVER,
         "Critical", "From Cloud Eye: The M of N-D \"R\""},
        {"[Informational Alarm]x", ALARM, "Informational", "x"},
        {"[minor ok]x", OVER, "minor", "x"},
        {"[华为云][紧急告警]云监控通知：N-D “R” 的M已触发告警。", ALARM, "紧急",
         "云监控通知：N-D “R” 的M"},
        {"[华为云][紧急告警恢复]云监控通知：N-D “R” 的M已恢复正常。", OVER, "紧急",
         "云监控通知：N-D “R” 的M"},
        {"【运维监控平台】[重要告警恢复]x", OVER, "重要", "x"},
        {"【运维监控平台】【提示告警】x", ALARM, "提示", "x"},
        {" [华为云] [次要告警] x ", ALARM, "次要", "x"},
        {"[运维告警][重要告警恢复]x", OVER, "重要", "x"},
        {"[重要]华为云AOM服务通知：x", UNKNOWN, "重要", "华为云AOM服务通知：x"},
        {"[华为云][告警恢复]x", OVER, "", "x"},
        {"[Blocker Alarm]x", ALARM, "Blocker", "x"},
        /* No word of CES's, and nothing is over because of it. */
        {"[Not Ok]x", UNKNOWN, "", "x"},
        {"[灾难恢复]x", UNKNOWN, "", "x"},
        {"[Ok]x", UNKNOWN, "", "x"},
        {"x [Critical Ok]", UNKNOWN, "", "x [Critical Ok]"},
        {"[Critical Ok", UNKNOWN, "", "[Critical Ok"},
        {"A has changed to OK from Alarm, B has not", UNKNOWN, "",
         "A has changed to OK from Alarm, B has not"},
        {"A已恢复正常，B未恢复", UNKNOWN, "", "A已恢复正常，B未恢复"},
        /* The sentence's end, with and without its stop. */
        {"M has triggered an alarm", ALARM, "", "M"},
        {"M has changed to OK from Alarm.", OVER, "", "M"},
        {"M已触发告警", ALARM, "", "M"},
        {"M已恢复正常。", OVER, "", "M"},
        {"[Blocker Ok]M has changed to OK from Alarm.", OVER, "", "M"},
        {"", UNKNOWN, "", ""},
        {"[]", UNKNOWN, "", ""},
        {"[][【】]", UNKNOWN, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ces_text text;
        ces_text_parse(&arena, cases[i].subject, &text);
        if (text.state != cases[i].state)
            fail_msg("%s: state %d", cases[i].subject, (int)text.state);
        assert_string_equal(text.level, cases[i].level);
        assert_string_equal(text.plain, cases[i].plain);
    }
}

/* Rule, metric and resource of a short message. */
static void sentences_tell_what_they_are_about(void **state)
{
    static const struct {
        const char *sentence, *rule, *metric, *name, *id;
    } cases[] = {
        {"[R][Critical Alarm]Dear A: The (Agent) CPU Usage of Advanced Monitoring-ECSs \"ecs\" "
         "(Private IP Address: 10.0.0.1, Public IP Address: 192.0.2.1, ID: 0-1),  Raw data >= 80% "
         "for 1 consecutive periods,\nCurrent Data: 97.08%,\nat 01 12, 2024 13:51:16 GMT-03:00 "
         "triggered an alarm,Alarm Rule Name: shop, You can log in to the console.",
         "shop", "(Agent) CPU Usage", "ecs", "0-1"},
        {"Dear The Co: The Rate of Use of Disks of S-D \"r\" (ID: 1), x,Alarm Rule Name: a, b, You "
         "can log in",
         "a, b", "Rate of Use of Disks", "r", "1"},
        {"The M of N-D \"R\" is", "", "M", "R", ""},
        {"尊敬的A：数据湖探索-队列 “develop” （ID：91040）的提交中作业数连续1次原始值>=5Count，"
         "当前数据：7.00Count，于2022/01/01 "
         "触发告警，触发规则：Spark-Alters，详情请访问云监控服务。",
         "Spark-Alters", "提交中作业数", "develop", "91040"},
        {"尊敬的A：S-D “r” （ID：1，私网IP：10.0.0.1）的M当前数据：1%，于2022/01/01 "
         "恢复正常，触发规则：a，b，详情请访问",
         "a，b", "M", "r", "1"},
        {"S-D “r” （私网IP：10.0.0.1，ID：1）的连续失败次数连续3次", "", "连续失败次数", "r", "1"},
        {"S-D “r” （ID：1）的关于磁盘的指标于2022/01/01 触发告警，触发规则：n。", "n",
         "关于磁盘的指标", "r", "1"},
        {"云监控通知：N-D “R” 的M已触发告警。", "", "M", "R", ""},
        /* Others' texts: what stands in quotes there is anything. */
        {"{\"version\":\"v1\",\"ID: 5)\"", "", "", "", ""},
        {"规则名称：error;\n告警级别：提示;", "", "", "", ""},
        {"The quick brown fox of \"x", "", "", "", ""},
        {"The \"x\" of y", "", "", "", ""},
        {"（ID：）的", "", "", "", ""},
        {"", "", "", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ces_text text;
        ces_text_parse(&arena, cases[i].sentence, &text);
        assert_string_equal(text.rule, cases[i].rule);
        assert_string_equal(text.metric, cases[i].metric);
        assert_string_equal(text.resource_name, cases[i].name);
        assert_string_equal(text.resource_id, cases[i].id);
    }
}

static void short_messages_tell_their_state_even_if_their_level_is_new(void **state)
{
    static const struct {
        const char *sentence;
        enum ces_state state;
    } cases[] = {
        {"[R][New Ok]Dear a: x changed to OK from Alarm,Alarm Rule Name: r, You can", OVER},
        {"x triggered an alarm,Alarm Rule Name: r, You can", ALARM},
        {"x恢复正常，触发规则：r，详情", OVER},
        {"x触发告警，触发规则：r，详情", ALARM},
        {"x恢复正常，但y没有", UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ces_text text;
        ces_text_parse(&arena, cases[i].sentence, &text);
        assert_int_equal(text.state, cases[i].state);
    }
}

static void times_are_read_in_every_form(void **state)
{
    static const struct {
        const char *string;
        int64_t seconds; /* -1: it is no time */
    } cases[] = {
        {"2025/06/02 22:56:15 GMT+08:00", 1748876175},
        {"2025/06/0222:56:15GMT+08:00", 1748876175},
        {" 2025/06/02 22:56:15 GMT+08:00 ", 1748876175},
        {"01 12, 2024 13:51:16 GMT-03:00", 1705078276},
        {"07 01, 2026 02:00:00 GMT+02:00", 1782864000},
        {"2024/02/29 00:00:00 GMT+00:00", 1709164800},
        {"2023/02/29 00:00:00 GMT+00:00", -1},
        {"13 12, 2024 13:51:16 GMT-03:00", -1},
        {"2025/06/02 24:00:00 GMT+08:00", -1},
        {"2025/06/02 22:56:15 GMT*08:00", -1},
        {"2025/06/02 22:56:15 GMT+08:60", -1},
        {"2025/06/02 22:56:15 GMT+24:00", -1},
        {"2025/06/02 22:56:15 GMT+08:00 x", -1},
        {"2025/06/02 22:56:15 GMT", -1},
        {"2025/06/02", -1},
        {"yesterday", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t seconds = -1;
        bool is_time = ces_parse_time(cases[i].string, &seconds);
        if (is_time != (cases[i].seconds >= 0))
            fail_msg("\"%s\" is %s time", cases[i].string, is_time ? "a" : "no");
        if (is_time)
            assert_int_equal(seconds, cases[i].seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(subjects_tell_state_and_level, clear_arena),
        cmocka_unit_test_teardown(sentences_tell_what_they_are_about, clear_arena),
        cmocka_unit_test_teardown(short_messages_tell_their_state_even_if_their_level_is_new,
                                  clear_arena),
        cmocka_unit_test_teardown(times_are_read_in_every_form, clear_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
