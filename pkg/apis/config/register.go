// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is upstream's: kube-scheduler looks for the arguments of a plugin only there, as kind <Plugin>Args.
const GroupName = "kubescheduler.config.k8s.io"

// SchemeGroupVersion is the internal version of the group.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: runtime.APIVersionInternal}

// SchemeBuilder is our own: upstream's, which is global, stays untouched.
var SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme adds the internal types to a scheme.
var AddToScheme = SchemeBuilder.AddToScheme

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion, &VMAffinityArgs{}, &VMNodeSelectionArgs{}, &VMPreemptionArgs{}, &VMTaintTolerationArgs{}, &VMUtilizationArgs{})
	return nil
}
