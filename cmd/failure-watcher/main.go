// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// failure-watcher finds failed nodes, proves that they are off, and hands their VMs back to KubeVirt.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/virt-scheduler/virt-scheduler/cmd/failure-watcher/app"
)

func main() {
	opts := &app.Options{}
	flags := pflag.NewFlagSet("failure-watcher", pflag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, app.Usage(flags)) }
	opts.AddFlags(flags)
	switch err := flags.Parse(os.Args[1:]); {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fail(err)
	}
	if opts.Version {
		fmt.Println(app.Version())
		return
	}
	if err := opts.Validate(flags.Args()); err != nil {
		fail(err)
	}
	if err := app.Run(ctrl.SetupSignalHandler(), opts); err != nil {
		klog.Flush()
		fail(err)
	}
	klog.Flush()
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "failure-watcher: %v\n", err)
	os.Exit(1)
}
