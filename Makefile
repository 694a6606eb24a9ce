# Thin names for scripts/ and Benchmarks/; each script says at its head what it does.

# Where `make run` finds your PBX and accounts, instead of a demonstration of its own.
export PBX ACCOUNTS OUTSIDE
# How long `make fuzz` runs each fuzzer, in seconds; 60 when left out.
export SECONDS_EACH
# Where `make install` puts everything, for packagers.
export DESTDIR
# The key that signs what `make apt-repository` makes.
export KEY

.PHONY: build run test lint format bench attack fuzz soak differential install uninstall newcomer clean
.PHONY: deb tarball apt-repository reproducible package-test image image-test

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
	Benchmarks/bench.sh
attack: build
	Benchmarks/defence.sh
fuzz:
	scripts/fuzz.sh
soak:
	scripts/soak.sh
	REMPART_RENEWALS=10000 swift test --filter manyRenewals
	REMPART_RELOADS=300 scripts/lab-test.sh test_certificates.py -k many_reloads
	scripts/more-phones.sh
	REMPART_SILENCE=300 scripts/lab-test.sh test_quiet_phones.py
differential: build
	REMPART_CONFIGURATIONS=20000 scripts/lab-test.sh test_asterisk_files.py -k generated
	REMPART_ALL=1 scripts/lab-test.sh test_account_sources.py test_static_accounts.py test_ari_changes.py
install:
	scripts/install.sh
uninstall:
	scripts/uninstall.sh
newcomer:
	scripts/newcomer.sh
deb:
	scripts/package.sh deb
tarball:
	scripts/package.sh tarball
apt-repository:
	scripts/package.sh apt-repository
reproducible:
	scripts/reproducible.sh
package-test:
	scripts/package-test.sh
image: build
	scripts/image.sh
image-test: build
	scripts/image-test.sh
clean:
	rm -rf .build .build-fuzz .build-soak
