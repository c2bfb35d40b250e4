/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pubwire: reads its configuration, starts EAL and the workers, waits for signals, takes everything
 * down again.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_version.h>

#include <pubwire/base/log.h>

#include "app.h"
#include "eal_args.h"
#include "journal.h"
#include "notify.h"
#include "options.h"

static struct app app; /* large, and one */
static struct app_eal eal;

static int
start_eal(const struct app_options *o)
{
	char err[256];

	if (app_eal_compose(&eal, &app.config, o, err, sizeof(err)) != 0) {
		fprintf(stderr, "pubwire: EAL arguments: %s\n", err);
		return APP_EXIT_CONFIG;
	}
	if (eal.no_huge)
		fprintf(stderr,
			"pubwire: WARNING: running without hugepages (--no-huge): this is SLOW, "
			"for development only\n");
	/* Before EAL, so that its --log-level has the last word. */
	pw_log_init();
	rte_log_set_level_pattern("pubwire.*", pw_config_log_level(&app.config));
	rte_errno = 0;
	if (rte_eal_init(eal.argc, eal.argv) < 0) {
		int code = rte_errno;

		fprintf(stderr, "pubwire: EAL does not start: %s. %s.\n",
			code != 0 ? rte_strerror(code) : "no reason given",
			app_eal_hint(&eal, code));
		return APP_EXIT_FATAL;
	}
	return APP_EXIT_OK;
}

static int
run(const struct app_options *o)
{
	struct app_summary summary = {0};
	int status, rc;

	app_signals_block();
	app_notify_open();
	status = start_eal(o);
	if (status != APP_EXIT_OK)
		return status;
	status = app_assemble(&app);
	if (status != APP_EXIT_OK)
		goto dismantle;
	app_report_start(&app, stdout);
	rc = pw_log_start();
	if (rc == 0)
		rc = pw_fleet_start(app.fleet);
	if (rc != 0) {
		fprintf(stderr, "pubwire: the workers do not start: %s\n", strerror(-rc));
		status = APP_EXIT_FATAL;
		goto stop_log;
	}
	printf("pubwire %s is running\n", PUBWIRE_VERSION);
	fflush(stdout);
	app_notify_ready(&app);
	app_serve(&app);
	pw_fleet_stop(app.fleet);
	app_summary_take(&app, &summary);
stop_log:
	pw_log_stop();
dismantle:
	app_dismantle(&app, &summary);
	if (status == APP_EXIT_OK)
		app_report_end(&summary, stdout);
	rte_eal_cleanup();
	app_notify_close();
	return status;
}

int
main(int argc, char **argv)
{
	struct app_options o;
	char err[1024];

	app_journal_open();
	if (app_options_parse(&o, argc, argv, err, sizeof(err)) != 0) {
		fprintf(stderr, "pubwire: %s\nTry 'pubwire --help'.\n", err);
		return APP_EXIT_USAGE;
	}
	if (o.action == APP_HELP) {
		app_options_help(stdout);
		return APP_EXIT_OK;
	}
	if (o.action == APP_VERSION) {
		printf("pubwire %s, %s\n", PUBWIRE_VERSION, rte_version());
		return APP_EXIT_OK;
	}
	if (o.action == APP_PRINT_SCHEMA)
		return pw_config_print_schema(&app.config, stdout) == 0 ? APP_EXIT_OK
									: APP_EXIT_FATAL;
	app.file = o.config;
	app.load_flags = app_eal_chooses_lcores(&o) ? PW_CONFIG_EAL_LCORES : 0;
	if (pw_config_load_as(&app.config, o.config, app.load_flags, err, sizeof(err)) != 0) {
		fprintf(stderr, "%s\n", err);
		return APP_EXIT_CONFIG;
	}
	if (o.action == APP_PRINT_CONFIG) {
		pw_config_print(&app.config, stdout);
		return APP_EXIT_OK;
	}
	if (o.action == APP_CHECK_CONFIG) {
		app_report_memory(&app.config, stdout);
		app_report_plan(&app.config, stdout);
		printf("%s: fine\n", o.config);
		return APP_EXIT_OK;
	}
	return run(&o);
}
