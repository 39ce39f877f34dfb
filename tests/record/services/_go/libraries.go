//go:build libraries

// Package record names what the services beside this folder import, so that `go mod tidy` keeps it in go.mod.
package record

import (
	_ "github.com/XSAM/otelsql"
	_ "github.com/exaring/otelpgx"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/uptrace/opentelemetry-go-extra/otelsql"
	_ "go.nhat.io/otelsql"
	_ "go.opentelemetry.io/contrib/bridges/otelslog"
	_ "gorm.io/driver/postgres"
	_ "gorm.io/plugin/opentelemetry/tracing"
)
