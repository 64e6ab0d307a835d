// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"k8s.io/apimachinery/pkg/runtime"
)

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func addDefaults(scheme *runtime.Scheme) error {
	addDefaulting(scheme, SetDefaultsVMAffinityArgs)
	addDefaulting(scheme, SetDefaultsVMNodeSelectionArgs)
	addDefaulting(scheme, SetDefaultsVMPreemptionArgs)
	addDefaulting(scheme, SetDefaultsVMTaintTolerationArgs)
	addDefaulting(scheme, SetDefaultsVMUtilizationArgs)
	return nil
}

func addDefaulting[V any, P interface {
	*V
	runtime.Object
}](scheme *runtime.Scheme, set func(P)) {
	scheme.AddTypeDefaultingFunc(P(new(V)), func(obj any) {
		if args, ok := obj.(P); ok {
			set(args)
		}
	})
}
