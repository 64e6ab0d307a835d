// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Args returns the arguments that a plugin was given, when they are of its type and validate finds no fault in them.
func Args[T any, P interface {
	*T
	runtime.Object
}](obj runtime.Object, validate func(*field.Path, P) error) (P, error) {
	args, ok := obj.(P)
	if !ok {
		return nil, fmt.Errorf("want args to be of type %s, got %T", reflect.TypeFor[T]().Name(), obj)
	}
	return args, validate(field.NewPath("args"), args)
}
