#include "scenario/price.h"

#include <string.h>

#include "base/error.h"
#include "base/units.h"

#define PRICE "price"
#define POWER "power"
#define MOST_MONEY 1e12
#define HOURS_OF_A_YEAR 8766.0 /* 365.25 days */

const char *const fab_price_keys[] = { "machine", "years", "gpu_hour", "date", "source", NULL };
const char *const fab_power_keys[] = { "machine", "overhead", "kwh", "date", "source", NULL };

void
fab_price_free(FabPrice *price)
{
    if (price == NULL)
        return;
    g_free(price->date);
    g_free(price->source);
    g_free(price);
}

void
fab_power_free(FabPower *power)
{
    if (power == NULL)
        return;
    g_free(power->date);
    g_free(power->source);
    g_free(power);
}

/* ------------------------------------------------------------------ values */

static bool
is_currency(const char *word)
{
    return strlen(word) == 3 && strspn(word, G_CSET_A_2_Z) == 3;
}

/* "12.50 USD", `per` behind it, as an amount that is not negative and its currency. The message has no place in it. */
static bool
parse_money(const char *text, const char *per, double *amount, char currency[4], GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 2);
    g_autofree char *unit = g_strdup(g_strv_length(words) == 2 ? g_strstrip(words[1]) : "");
    char *slash = strchr(unit, '/');
    bool per_right = per[0] == '\0' ? slash == NULL : slash != NULL && strcmp(slash, per) == 0;

    if (slash != NULL)
        *slash = '\0';
    if (per_right && is_currency(unit) && fab_parse_quantity(words[0], "", amount, NULL) && *amount >= 0 &&
        *amount <= MOST_MONEY) {
        g_strlcpy(currency, unit, 4);
        return true;
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not an amount with its currency, such as 12.50 USD%s",
                text, per);
    return false;
}

static bool
read_money(FabKeyfile *file, const char *group, const char *key, const char *per, double *amount, char currency[4],
           GError **error)
{
    const char *text = fab_keyfile_get(file, group, key);
    char found[4] = "";

    if (text == NULL)
        return true;
    if (parse_money(text, per, amount, found, error)) {
        g_strlcpy(currency, found, 4);
        return true;
    }
    fab_keyfile_prefix_error(file, group, key, error);
    return false;
}

static bool
is_date(const char *text)
{
    return g_regex_match_simple("^[0-9]{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?$", text, G_REGEX_DOLLAR_ENDONLY,
                                0);
}

/* Both must be there: a price without a date and a source is a rumour. */
static bool
read_origin(FabKeyfile *file, const char *group, char **date, char **source, GError **error)
{
    const char *when = fab_keyfile_get(file, group, "date"), *where = fab_keyfile_get(file, group, "source");

    if (when == NULL || where == NULL || where[0] == '\0') {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] needs %s", fab_keyfile_path(file), group,
                    when == NULL ? "date, of the figures: date=2025-11" : "source, where the figures come from");
        return false;
    }
    if (!is_date(when)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not a date such as 2025-11-30 or 2025-11", when);
        fab_keyfile_prefix_error(file, group, "date", error);
        return false;
    }
    *date = g_strdup(when);
    *source = g_strdup(where);
    return true;
}

/* ------------------------------------------------------------------ groups */

static bool
check_price(const FabKeyfile *file, const FabPrice *price, GError **error)
{
    bool bought = price->machine > 0, rented = price->gpu_hour > 0;

    if (bought == rented)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [price] says %s, needs one of machine=250000 USD (bought) and gpu_hour=2.50 USD/h (rented)",
                    fab_keyfile_path(file), bought ? "both machine and gpu_hour" : "no price");
    else if (bought != (price->years > 0))
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [price] %s", fab_keyfile_path(file),
                    bought ? "machine needs years, over which it is written off: years=4"
                           : "years belongs to machine, a GPU that is rented is not written off");
    else
        return true;
    return false;
}

static bool
read_price(FabKeyfile *file, FabPrice *price, GError **error)
{
    return read_money(file, PRICE, "machine", "", &price->machine, price->currency, error) &&
           read_money(file, PRICE, "gpu_hour", "/h", &price->gpu_hour, price->currency, error) &&
           fab_keyfile_get_quantity(file, PRICE, "years", "", 0.01, 100, &price->years, error) &&
           check_price(file, price, error) && read_origin(file, PRICE, &price->date, &price->source, error);
}

static bool
read_power(FabKeyfile *file, FabPower *power, GError **error)
{
    power->overhead = 1;
    if (!fab_keyfile_get_quantity(file, POWER, "machine", "W", 1, 1e9, &power->machine_w, error) ||
        !fab_keyfile_get_quantity(file, POWER, "overhead", "", 1, 10, &power->overhead, error) ||
        !read_money(file, POWER, "kwh", "/kWh", &power->kwh, power->currency, error))
        return false;
    if (power->machine_w == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [power] needs machine, what one draws: machine=10.2 kW",
                    fab_keyfile_path(file));
        return false;
    }
    return read_origin(file, POWER, &power->date, &power->source, error);
}

bool
fab_price_read(FabKeyfile *file, FabPrice **price, FabPower **power, GError **error)
{
    *price = fab_keyfile_has_group(file, PRICE) ? g_new0(FabPrice, 1) : NULL;
    *power = fab_keyfile_has_group(file, POWER) ? g_new0(FabPower, 1) : NULL;
    if ((*price != NULL && !read_price(file, *price, error)) || (*power != NULL && !read_power(file, *power, error)))
        return false;
    if (*price == NULL || *power == NULL || (*power)->kwh == 0 ||
        strcmp((*price)->currency, (*power)->currency) == 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [price] is in %s and [power] kwh in %s, must be one currency",
                fab_keyfile_path(file), (*price)->currency, (*power)->currency);
    return false;
}

double
fab_price_per_second(const FabPrice *price, const FabPower *power, uint32_t machines, uint32_t gpus)
{
    double hour = 0;

    if (price == NULL)
        return 0;
    hour = price->machine > 0 ? price->machine / (price->years * HOURS_OF_A_YEAR) * machines : price->gpu_hour * gpus;
    if (power != NULL)
        hour += power->machine_w / 1000 * power->overhead * power->kwh * machines;
    return hour / 3600;
}
