# Thin names for scripts/; each script says at its head what it does.

# Where `make run` finds your PBX and accounts, instead of a demonstration of its own.
export PBX ACCOUNTS OUTSIDE
# Where `make install` puts everything, for packagers.
export DESTDIR

.PHONY: build run test lint format bench install clean

build:
	scripts/build.sh
run: build
	scripts/demo.sh
test:
	scripts/test.sh
lint:
	scripts/lint.sh
format:
	scripts/lint.sh --fix
bench: build
	scripts/bench.sh
install:
	scripts/install.sh
clean:
	rm -rf .build
