// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scheme makes the arguments of our plugins, and of those that we take
// from sigs.k8s.io/scheduler-plugins, known to kube-scheduler's configuration
// loader. Importing it is enough, and necessary: arguments of an unregistered
// kind are decoded without strictness, so that a misspelt field is ignored.
// Nothing but registration may live here.
package scheme

import (
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	upstreamscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	upstreamv1 "k8s.io/kubernetes/pkg/scheduler/apis/config/v1"
	_ "sigs.k8s.io/scheduler-plugins/apis/config/scheme" // registers the arguments of its plugins; must run before init below

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	v1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/config/v1"
)

// The loader uses two schemes: one decodes the file, the other sets the defaults of plugin arguments and
// converts them. The second is made at first use out of upstream's global builders, which is why
// scheduler-plugins must have registered before.
func init() {
	AddToScheme(upstreamscheme.Scheme)
	AddToScheme(upstreamv1.GetPluginArgConversionScheme())
}

// AddToScheme adds all versions of our plugins' arguments to a scheme.
func AddToScheme(scheme *runtime.Scheme) {
	utilruntime.Must(config.AddToScheme(scheme))
	utilruntime.Must(v1.AddToScheme(scheme))
}
