/* filter_verbs.h: what `tally filter` consists of; argv[0] is the name of the part. For verb_filter.c. */
#pragma once

int filter_add(int argc, char **argv);
int filter_list(int argc, char **argv);
int filter_show(int argc, char **argv);
int filter_delete(int argc, char **argv);
int filter_explain(int argc, char **argv);
