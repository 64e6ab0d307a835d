// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command sim-bmc simulates the machines of the embedded cluster and their BMCs; see hack/devcluster/simbmc.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simbmc"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sim-bmc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("sim-bmc", flag.ContinueOnError)
	var opts simbmc.Options
	hosts := flags.String("hosts", "", "hosts file (JSON)")
	cert := flags.String("tls-cert", "", "certificate of the BMCs and the control API (PEM)")
	key := flags.String("tls-key", "", "its key (PEM)")
	credentials := flags.String("credentials", "", "logins of the BMCs (JSON)")
	token := flags.String("control-token-file", "", "file with the bearer token of the control API")
	flags.StringVar(&opts.ControlListen, "control-listen", "", "127.0.0.1:PORT of the control API")
	flags.DurationVar(&opts.Delays.Off, "power-off-delay", 0, "how long powering off takes (default 1s)")
	flags.DurationVar(&opts.Delays.On, "power-on-delay", 0, "how long powering on takes (default 1s)")
	flags.DurationVar(&opts.Delays.SlowOff, "slow-off-delay", 0, "how long powering off takes under the fault slow-off (default 10s)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	file, err := simhost.ReadFile(*hosts)
	if err != nil {
		return fmt.Errorf("--hosts: %w", err)
	}
	opts.Hosts = file.Hosts
	if opts.Credentials, err = simhost.ReadCredentials(*credentials); err != nil {
		return fmt.Errorf("--credentials: %w", err)
	}
	if opts.Certificate, err = tls.LoadX509KeyPair(*cert, *key); err != nil {
		return fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	raw, err := os.ReadFile(*token)
	if err != nil {
		return fmt.Errorf("--control-token-file: %w", err)
	}
	opts.ControlToken = strings.TrimSpace(string(raw))
	server, err := simbmc.Start(opts)
	if err != nil {
		return err
	}
	fmt.Printf("sim-bmc: %d simulated machines, control API %s\n", len(opts.Hosts), server.ControlURL())
	return server.Wait(ctx)
}
