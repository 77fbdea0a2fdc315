# Train what docs/results/accuracy.md reports. Interrupted targets continue where they stopped.
#
#   make reproduce-adding                   three seeds, our epochs
#   make reproduce-mnist EPOCHS=20 SEEDS=0  another length, one seed
#   make reproduce-frequency CELLS=gru      one cell alone
#   make reproduce-adding PAPER=--paper     the paper's settings: days on a CPU
#
# Runs lie in $(RUNS)/TASK, their results in $(RUNS)/TASK.jsonl, curves in tensorboard --logdir $(RUNS).

SEEDS  ?= 0 1 2
CELLS  ?= gru lstm
EPOCHS ?=
PAPER  ?=
RUNS   ?= runs
# The input of the LSTM's gate is c, which is not bounded, and must learn more slowly (docs/results/experiments.md).
LSTM    = $(if $(PAPER),,--lr 1e-3)
LSTM_FREQUENCY = $(if $(PAPER),,--lr 5e-4)
# Twice as many samples: begin with an update at every fifth, not at every third.
MORE_OFTEN = $(if $(PAPER),,--override gate_bias=-2)
# Where 100 epochs are too few.
LONGER  = $(if $(PAPER)$(EPOCHS),,--epochs 150)
# Late in a training a single gradient can move the LSTM's gate to where it never updates (docs/results/experiments.md).
STEADY  = $(if $(PAPER),,$(LONGER) --override clip_ratio=1 --override keep=best)
# Approach a target rate far below the gate's first one over most of the training.
RAMPED  = $(if $(PAPER),,--ramp 0.7)
RAMPED_LSTM = $(if $(PAPER),,--override gate_learning_rate=0.2)
TRAIN   = $(BIN)/skiprnn train --resume $(PAPER) $(if $(EPOCHS),--epochs $(EPOCHS)) --seed $$seed

.PHONY: reproduce-adding reproduce-frequency reproduce-digits reproduce-watch reproduce-mnist reproduce-events

reproduce-adding: $(VENV)/.dev ## the adding task: LSTM and GRU, λ = 0 and 1e-5, a random schedule, a target rate
	@set -e; for seed in $(SEEDS); do for cell in $(CELLS); do \
	if [ $$cell = lstm ]; then slower='$(LSTM)'; else slower=; fi; \
	for gate in '--update-rate 0.53' '--lambda 1e-5' '--lambda 0' '--update-rate 0.5 --schedule random'; do \
	case "$$cell$$gate" in 'gru--update-rate 0.53') continue;; 'lstm--update-rate 0.53') steady='$(STEADY)';; *) steady=;; esac; \
	$(call run,adding,$$cell$$gate,$$slower $$steady); done; done; done
	$(BIN)/python -m skiprnn.training.results $(RUNS)/adding.jsonl

reproduce-frequency: $(VENV)/.dev ## frequency discrimination: both cells and sampling periods, three values of λ and a target rate
	@set -e; for seed in $(SEEDS); do for cell in $(CELLS); do for period in 1 0.5; do \
	case $$cell$$period in gru1) rate=0.22;; gru*) rate=0.11;; lstm1) rate=0.125;; *) rate=0.095;; esac; \
	rate="--update-rate $$rate $(RAMPED)"; if [ $$cell = lstm ]; then rate="$$rate $(RAMPED_LSTM)"; fi; \
	if [ $$cell = lstm ]; then slower='$(LSTM_FREQUENCY)'; else slower=; fi; \
	if [ $$period = 1 ]; then start=; else start='$(MORE_OFTEN)'; fi; \
	for gate in "$$rate" '--lambda 1e-4' '--lambda 1e-5' '--lambda 0'; do \
	case "$$cell$$period$$gate" in gru0.5--update-rate*|'lstm0.5--lambda 1e-5') longer='$(LONGER)';; *) longer=;; esac; \
	$(call run,frequency,$$cell$$gate-$$period,$$slower $$start $$longer --override sampling=$$period); done; done; done; done
	$(BIN)/python -m skiprnn.training.results $(RUNS)/frequency.jsonl

reproduce-digits: $(VENV)/.dev ## digits: a target rate, λ, and both fixed schedules at equal rates
	@set -e; cell=gru; for seed in $(SEEDS); do \
	for gate in '--update-rate 1 --schedule uniform' '--update-rate 0.4' '--update-rate 0.67' '--lambda 3e-3' '--lambda 7e-3' \
	    '--update-rate 0.4 --schedule uniform' '--update-rate 0.4 --schedule random' '--update-rate 0.67 --schedule uniform'; do \
	$(call run,digits,$$cell$$gate); done; done
	$(BIN)/python -m skiprnn.training.results $(RUNS)/digits.jsonl

reproduce-watch: $(VENV)/.dev ## smartwatch: five folds of people, a target rate, λ and both fixed schedules
	@set -e; cell=gru; for seed in $(SEEDS); do for fold in 0 1 2 3 4; do \
	for gate in '--update-rate 0.25' '--lambda 1e-3' '--update-rate 0.25 --schedule uniform' '--update-rate 0.25 --schedule random'; do \
	$(call run,watch,$$cell$$gate-$$fold,--override fold=$$fold); done; done; done
	$(BIN)/python -m skiprnn.training.results $(RUNS)/watch.jsonl

reproduce-mnist: $(VENV)/.dev ## sequential MNIST: plain and skipping LSTM and GRU, both fixed schedules; EPOCHS=600 is the paper's
	@set -e; for seed in $(SEEDS); do for cell in $(CELLS); do \
	for gate in '--update-rate 0.25' '--update-rate 0.37' '--update-rate 0.5' '--lambda 1e-4' '--update-rate 0.25 --schedule uniform' '--update-rate 0.25 --schedule random' \
	    '--update-rate 1 --schedule uniform'; do \
	$(call run,mnist,$$cell$$gate); done; done; done
	$(BIN)/python -m skiprnn.training.results $(RUNS)/mnist.jsonl

# Where your copies of the data are; a task without one is left out.
FALLS ?=
WORDS ?=
ECG   ?=
EVENT_RATES ?= 0.01 0.02 0.04 0.1

reproduce-events: $(VENV)/.dev ## falls, words, heartbeats (FALLS=, WORDS=, ECG= name your copies): learned, both fixed schedules, every sample
	@set -e; cell=gru; for seed in $(SEEDS); do for rate in $(EVENT_RATES) 1; do \
	for schedule in '' ' --schedule uniform' ' --schedule random'; do gate="--update-rate $$rate$$schedule"; \
	case "$$gate" in '--update-rate 1'|'--update-rate 1 --schedule random') continue;; esac; \
	$(if $(FALLS),$(call run,falls,$$cell$$gate,--data $(FALLS));) \
	$(if $(WORDS),$(call run,words,$$cell$$gate,--data $(WORDS));) \
	$(if $(ECG),$(call run,ecg,$$cell$$gate,--data $(ECG));) \
	done; done; done
	$(BIN)/python -m skiprnn.training.results $(foreach task,$(if $(FALLS),falls) $(if $(WORDS),words) $(if $(ECG),ecg),$(RUNS)/$(task).jsonl)

# $(1) task, $(2) what names its run, $(3) more options. Folders have the names of earlier releases, whose runs continue.
run = $(TRAIN) $(1) --cell $$cell $$gate $(3) --out "$(RUNS)/$(1)/$$(echo "$(2)-$$seed" | sed 's/ //g; s/--update-rate/--rate/; s/--schedule/--cadence/')" \
	--results-file $(RUNS)/$(1).jsonl
