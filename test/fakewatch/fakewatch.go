// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fakewatch waits for watches of client-go's fake clientset. Unlike an API server it loses what happens between a
// client's list and its watch, so that a test which changes something right after the informers have synced may wait for
// ever for that to be seen.
package fakewatch

import (
	"context"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	clienttesting "k8s.io/client-go/testing"
)

// Await returns once somebody watches each of the resources: the clientset records a watch under the lock under which it begins it.
func Await(tb testing.TB, client *clienttesting.Fake, resources ...string) {
	tb.Helper()
	for _, resource := range resources {
		err := wait.PollUntilContextTimeout(tb.Context(), time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
			return slices.ContainsFunc(client.Actions(), func(a clienttesting.Action) bool { return a.Matches("watch", resource) }), nil
		})
		if err != nil {
			tb.Fatalf("nobody watches %s: %v", resource, err)
		}
	}
}
