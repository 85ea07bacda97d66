# Every target sets up what it needs below .venv/, from a bare python3.
#
#   make demo                       watch programs being repaired from feedback
#   make test                       the tests, on each Python 3.10 to 3.14 of this machine
#   make test PYTHON=python3.12     on one of them
#   make test ARGS='-k bundle -x'   with arguments for pytest
#   make demo PART=code             one part: classify, code, numbers, questions
#   make demo PART=classify ARGS='--seeds 5'   its search five times, with the mean
#   make test-local                 the tests that need the local model
#   make stress                     texts that attack prompts, kills while saving and while training, fuzzing, a server that fails
#                                   half of the time; ARGS='--kills 50 --trainings 10 --seconds 60 --steps 200' for less
#   make test-stress                the last of these alone: 2,000 steps
#   make attack                     hostile programs by every runner, and without a wall; ARGS='--family pipe' for some
#   make test-cluster               evaluation through real clusters of Dask and Ray on this machine
#   make malformed                  how many of 200 malformed answers are recovered
#   make check                      lint, format, types, floors
#   make bench                      time and memory, side by side with other systems; what sandboxes cost
#   make bench-optimizers           every optimizer with a simulated model, beside trace-opt's; ARGS='--seeds 3' for a quick look
#   make bench-trainer              every training algorithm with a simulated model, beside gepa's; ARGS='--seeds 3' for a quick look
#   make bench-few-shot             live: demonstrations for a small local model, found and drawn at random, over seeds
#   make bench-programs             HumanEval and MBPP through each runner; ARGS=FOLDER if the data is elsewhere
#   make bench-rollouts             what a rollout costs, and how near 64 threads come to bare ones; ARGS=--cluster for Ray and Dask
#   make bench-scale                whether steps of training stay as fast with 100,000 examples, and with 1,000 candidates
#   make bench-sandbox              what a call through Subprocess costs, and the start of a worker
#   make bench-monty                what a call through Monty costs
#   make clean                      remove what the targets made

ARGS ?=
only := $(if $(filter command,$(firstword $(origin PYTHON))),--python $(PYTHON))

.PHONY: attack bench bench-few-shot bench-monty bench-optimizers bench-programs bench-rollouts bench-sandbox bench-scale bench-trainer check clean demo malformed stress test test-cluster test-local test-stress

demo:
	@python3 -m tools.run_in --local demo demo,svg -m examples.demo $(PART) $(ARGS)

test:
	@python3 -m tools.run_tests $(only) $(ARGS)

stress:
	@python3 -m tools.run_in test test -m tests.stress $(ARGS)

attack:
	@python3 -m tools.run_in attack test,sandbox,monty -m tests.attack $(ARGS)

test-cluster:
	@OPTO_TEST_CLUSTER=1 python3 -m tools.run_in test-cluster test,dask,ray -m pytest -q tests/cluster $(ARGS)

test-stress:
	@python3 -m tools.run_in test test -m tests.stress.failing_server $(ARGS)

test-local:
	@OPTO_TEST_LOCAL=1 python3 -m tools.run_in --local test-local test -m pytest -q tests/local $(ARGS)

malformed:
	@python3 -m tools.run_in test test -m tests.optimizers.malformed $(ARGS)

check:
	@python3 -m tools.run_checks

bench:
	@python3 -m benchmarks.trace $(ARGS)
	@python3 -m tools.run_in bench-programs monty,sandbox -m benchmarks.sandbox
	@python3 -m tools.run_in bench-programs monty,sandbox -m benchmarks.sandbox_monty

bench-optimizers:
	@python3 -m benchmarks.optimizers $(ARGS)

bench-trainer:
	@python3 -m benchmarks.trainer $(ARGS)

bench-few-shot:
	@python3 -m tools.run_in --local demo demo,svg -m benchmarks.few_shot $(ARGS)

bench-programs:
	@python3 -m tools.run_in bench-programs monty,sandbox -m benchmarks.programs $(ARGS)

bench-rollouts:
	@python3 -m tools.run_in test-cluster test,dask,ray -m benchmarks.rollouts $(ARGS)

bench-scale:
	@python3 -m tools.run_in test test -m benchmarks.trainer_scale $(ARGS)

bench-sandbox:
	@python3 -m tools.run_in bench-programs monty,sandbox -m benchmarks.sandbox $(ARGS)

bench-monty:
	@python3 -m tools.run_in bench-programs monty,sandbox -m benchmarks.sandbox_monty $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
