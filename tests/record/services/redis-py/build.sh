# The server out of Debian's packages, unpacked here and not installed.
set -e
apt-get download -qq redis-server redis-tools liblzf1 libjemalloc2
for package in *.deb; do dpkg -x "$package" server; done
"$1" -m venv .venv
.venv/bin/pip install --quiet -r requirements.txt
