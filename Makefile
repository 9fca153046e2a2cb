# The one entry point for people; each target is a line or two over tools/. `make` alone lists them.

# Where the simulator starts and how many seeds it runs: make sim SEEDS=1000 FROM=1. In what build, and with what left out of
# the runs: make sim SEEDS=1 FROM=7 BUILD=build-asan STEPS=900 WITHOUT=rot,kill SKIP=0-400,512-640
SEEDS ?= 500
FROM ?= 1
BUILD ?= build
# Given to the program that the target runs: make run ARGS="--rate 200000"
ARGS ?=
# Parts of the tests, as `tools/run-tests --list` names them: make test PARTS="unit layers"
PARTS ?=
# How long each fuzz target runs: make fuzz SECONDS=200 is an hour of fuzzing in all
SECONDS ?= 120

.PHONY: help run build test sim sweep planted fuzz soak bench format clean packages test-packages

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: build ## install what is missing, build, and watch clicks being counted: a server under a synthetic stream
	build/tally demo $(ARGS)

build: packages ## build build/tally
	@tools/configure build
	@ninja -C build --quiet tally

test: test-packages ## all that CI runs; PARTS="unit sim" for some of it
	@tools/run-tests $(PARTS)

sweep: test-packages ## every call and allocation fails, every byte is damaged
	@tools/configure build
	@ninja -C build --quiet tests/sweep/sweep
	build/tests/sweep/sweep

sim: test-packages ## whole nodes on simulated machines against the oracle: SEEDS=n FROM=seed
	@tools/configure $(BUILD)
	@ninja -C $(BUILD) --quiet tests/sim/sim
	$(BUILD)/tests/sim/sim --seeds $(SEEDS) --from $(FROM) --jobs $$(nproc) $(if $(STEPS),--steps $(STEPS)) \
	    $(if $(WITHOUT),--without $(WITHOUT)) $(if $(SKIP),--skip $(SKIP))

planted: test-packages ## plant bugs and see that the tests catch each: ends with N caught, M missed
	@tools/run-planted --jobs 2

fuzz: test-packages ## each parser and format for SECONDS=120 under libFuzzer; ends with a table
	@rm -f build-logs/fuzz-*.log
	@tools/run-tests --fuzz-seconds $(SECONDS) 'fuzz-*'; tools/fuzz-table

soak: test-packages ## simulation from a new seed, end to end and fuzzing, for longer (some two hours, at most four and a half)
	@tools/run-tests --soak

bench: build ## measure speed, freshness and restart: prints a table
	@ninja -C build --quiet bench-programs
	bench/run $(ARGS)

format: test-packages ## write every source file as clang-format wants it
	@tools/check-format --fix

clean: ## remove everything that was built
	rm -rf build build-asan build-tsan build-logs

packages:
	@tools/install-packages build

test-packages:
	@tools/install-packages build test
