# Train what docs/results/accuracy.md reports. Interrupted targets go on where they stopped.
#
#   make reproduce-adding                   three seeds, our epochs
#   make reproduce-mnist EPOCHS=20 SEEDS=0  another length, one seed
#   make reproduce-frequency CELLS=gru      one cell alone
#   make reproduce-adding PAPER=--paper     the paper's settings: days on a CPU
#
# Runs lie in $(RUNS)/TASK, their figures in $(RUNS)/TASK.jsonl, curves in tensorboard --logdir $(RUNS).

SEEDS  ?= 0 1 2
CELLS  ?= gru lstm
EPOCHS ?=
PAPER  ?=
RUNS   ?= runs
# The LSTM's gate reads c, which is not bounded, and must learn more slowly (docs/results/experiments.md).
LSTM    = $(if $(PAPER),,--lr 1e-3)
LSTM_FREQUENCY = $(if $(PAPER),,--lr 5e-4)
# Twice as many samples: begin with every fifth, not with every third.
OFTENER = $(if $(PAPER),,--set gate_bias=-2)
# What 100 epochs are too few for.
LONGER  = $(if $(PAPER)$(EPOCHS),,--epochs 150)
# Late in a training a single gradient can throw the LSTM's gate to where it reads nothing (docs/results/experiments.md).
STEADY  = $(if $(PAPER),,$(LONGER) --set clip_ratio=1 --set keep=best)
# Approach a rate that is far below where the gate begins, over most of the training.
RAMPED  = $(if $(PAPER),,--ramp 0.7)
RAMPED_LSTM = $(if $(PAPER),,--set gate_learning_rate=0.2)
TRAIN   = $(BIN)/skiprnn train --resume $(PAPER) $(if $(EPOCHS),--epochs $(EPOCHS)) --seed $$seed

.PHONY: reproduce-adding reproduce-frequency reproduce-digits reproduce-watch reproduce-mnist

reproduce-adding: $(VENV)/.dev ## the adding task: LSTM and GRU, λ = 0 and 1e-5, random cadence, a rate
	@set -e; for seed in $(SEEDS); do for cell in $(CELLS); do \
	if [ $$cell = lstm ]; then slower='$(LSTM)'; else slower=; fi; \
	for reads in '--rate 0.53' '--lambda 1e-5' '--lambda 0' '--rate 0.5 --cadence random'; do \
	case "$$cell$$reads" in 'gru--rate 0.53') continue;; 'lstm--rate 0.53') steady='$(STEADY)';; *) steady=;; esac; \
	$(call run,adding,$$cell$$reads,$$slower $$steady); done; done; done
	$(BIN)/python -m skiprnn.results $(RUNS)/adding.jsonl

reproduce-frequency: $(VENV)/.dev ## frequency discrimination: both cells and sampling periods, three prices and a rate
	@set -e; for seed in $(SEEDS); do for cell in $(CELLS); do for period in 1 0.5; do \
	case $$cell$$period in gru1) rate=0.22;; gru*) rate=0.11;; lstm1) rate=0.125;; *) rate=0.095;; esac; \
	rate="--rate $$rate $(RAMPED)"; if [ $$cell = lstm ]; then rate="$$rate $(RAMPED_LSTM)"; fi; \
	if [ $$cell = lstm ]; then slower='$(LSTM_FREQUENCY)'; else slower=; fi; \
	if [ $$period = 1 ]; then start=; else start='$(OFTENER)'; fi; \
	for reads in "$$rate" '--lambda 1e-4' '--lambda 1e-5' '--lambda 0'; do \
	case "$$cell$$period$$reads" in gru0.5--rate*|'lstm0.5--lambda 1e-5') longer='$(LONGER)';; *) longer=;; esac; \
	$(call run,frequency,$$cell$$reads-$$period,$$slower $$start $$longer --set sampling=$$period); done; done; done; done
	$(BIN)/python -m skiprnn.results $(RUNS)/frequency.jsonl

reproduce-digits: $(VENV)/.dev ## digits: a target rate, the plain price, and both cadences at equal rates
	@set -e; cell=gru; for seed in $(SEEDS); do \
	for reads in '--rate 1 --cadence uniform' '--rate 0.4' '--rate 0.67' '--lambda 3e-3' '--lambda 7e-3' \
	    '--rate 0.4 --cadence uniform' '--rate 0.4 --cadence random' '--rate 0.67 --cadence uniform'; do \
	$(call run,digits,$$cell$$reads); done; done
	$(BIN)/python -m skiprnn.results $(RUNS)/digits.jsonl

reproduce-watch: $(VENV)/.dev ## smartwatch: five folds of people, a target rate, a price and both cadences
	@set -e; cell=gru; for seed in $(SEEDS); do for fold in 0 1 2 3 4; do \
	for reads in '--rate 0.25' '--lambda 1e-3' '--rate 0.25 --cadence uniform' '--rate 0.25 --cadence random'; do \
	$(call run,watch,$$cell$$reads-$$fold,--set fold=$$fold); done; done; done
	$(BIN)/python -m skiprnn.results $(RUNS)/watch.jsonl

reproduce-mnist: $(VENV)/.dev ## sequential MNIST: plain and skipping LSTM and GRU, both cadences; EPOCHS=600 is the paper's
	@set -e; for seed in $(SEEDS); do for cell in $(CELLS); do \
	for reads in '--rate 0.25' '--rate 0.37' '--rate 0.5' '--lambda 1e-4' '--rate 0.25 --cadence uniform' '--rate 0.25 --cadence random' \
	    '--rate 1 --cadence uniform'; do \
	$(call run,mnist,$$cell$$reads); done; done; done
	$(BIN)/python -m skiprnn.results $(RUNS)/mnist.jsonl

# $(1) task, $(2) what tells its runs apart, $(3) more options
run = $(TRAIN) $(1) --cell $$cell $$reads $(3) --out "$(RUNS)/$(1)/$$(echo "$(2)-$$seed" | tr -d ' ')" \
	--journal $(RUNS)/$(1).jsonl
