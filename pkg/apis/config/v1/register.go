// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// SchemeGroupVersion is what users write as apiVersion.
var SchemeGroupVersion = schema.GroupVersion{Group: config.GroupName, Version: "v1"}

// SchemeBuilder is our own: upstream's, which is global, stays untouched.
var SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes, addDefaults, addConversions)

// AddToScheme adds the v1 types, their defaults and their conversions to a scheme.
var AddToScheme = SchemeBuilder.AddToScheme

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion, &VMAffinityArgs{}, &VMNodeSelectionArgs{}, &VMPreemptionArgs{}, &VMTaintTolerationArgs{}, &VMUtilizationArgs{})
	return nil
}
