# A server that speaks MongoDB's protocol and builds from source: FerretDB on SQLite.
set -e
version=v1.24.2
source=$(go mod download -json "github.com/FerretDB/FerretDB@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
rm -rf ferretdb && cp -r "$source" ferretdb && chmod -R u+w ferretdb
echo "$version" > ferretdb/build/version/version.txt
(cd ferretdb && go build -o ../server ./cmd/ferretdb) && rm -rf ferretdb
"$1" -m venv .venv
.venv/bin/pip install --quiet -r requirements.txt
