//go:build tools

// Package cli pins the nats command line that the tests here run.
package cli

import _ "github.com/nats-io/natscli/nats"
