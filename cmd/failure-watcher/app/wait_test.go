// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"
)

// apiServer answers as the handlers say; what has none is not found.
func apiServer(t *testing.T, handlers map[string]http.HandlerFunc) *waiter {
	t.Helper()
	mux := http.NewServeMux()
	for pattern, handler := range handlers {
		mux.HandleFunc(pattern, handler)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON}})
	if err != nil {
		t.Fatal(err)
	}
	return &waiter{client: client, server: "SERVER", clock: testclock.NewFakeClock(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)), status: &status{}}
}

func answer(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(object); err != nil {
		panic(err)
	}
}

func resources(gv string, names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv}
		for _, name := range names {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: name, Kind: name})
		}
		answer(w, list)
	}
}

// waitSays runs a wait that can't succeed, and returns what /readyz said of it.
func waitSays(t *testing.T, w *waiter, wait func(context.Context) error) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- wait(ctx) }()
	fake := w.clock.(*testclock.FakeClock)
	for !fake.HasWaiters() || w.status.check().Error() == "" {
		if err := ctx.Err(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			t.Fatalf("the wait ended: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended with %v, want context.Canceled", err)
	}
	return w.status.check().Error()
}

func TestWaitsForKinds(t *testing.T) {
	ours := resources("virt-scheduler.io/v1alpha1", "nodefailures", "nodefailures/status")
	tests := map[string]struct {
		handlers map[string]http.HandlerFunc
		want     string
	}{
		"no CRD of ours": {
			want: "waiting for the CRD of NodeFailure: the API server does not serve virt-scheduler.io/v1alpha1: apply manifests/crds",
		},
		"no KubeVirt": {
			handlers: map[string]http.HandlerFunc{"/apis/virt-scheduler.io/v1alpha1": ours},
			want:     "waiting for KubeVirt's CRDs: the API server does not serve kubevirt.io/v1: install KubeVirt",
		},
		"half of KubeVirt": {
			handlers: map[string]http.HandlerFunc{
				"/apis/virt-scheduler.io/v1alpha1": ours,
				"/apis/kubevirt.io/v1":             resources("kubevirt.io/v1", "virtualmachines", "virtualmachineinstances"),
			},
			want: "waiting for KubeVirt's CRDs: the API server does not serve virtualmachineinstancemigrations of kubevirt.io/v1: install KubeVirt",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := apiServer(t, tc.handlers)
			if got := waitSays(t, w, w.kinds); got != tc.want {
				t.Errorf("/readyz says %q, want %q", got, tc.want)
			}
		})
	}
}

// The wait ends by itself when what was missing appears.
func TestWaitEndsWhenTheKindsAppear(t *testing.T) {
	var there atomic.Bool
	asked := make(chan struct{}, 100)
	late := resources("virt-scheduler.io/v1alpha1", "nodefailures")
	w := apiServer(t, map[string]http.HandlerFunc{
		"/apis/virt-scheduler.io/v1alpha1": func(rw http.ResponseWriter, r *http.Request) {
			if there.Load() {
				late(rw, r)
			} else {
				http.NotFound(rw, r)
			}
			asked <- struct{}{}
		},
		"/apis/kubevirt.io/v1": resources("kubevirt.io/v1", "virtualmachines", "virtualmachineinstances", "virtualmachineinstancemigrations"),
	})
	done := make(chan error, 1)
	go func() { done <- w.kinds(t.Context()) }()
	<-asked
	there.Store(true)
	fake := w.clock.(*testclock.FakeClock)
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-time.After(time.Millisecond):
			fake.Step(askEvery)
		}
	}
}

func TestWaitForTheAPIServer(t *testing.T) {
	code := func(code int) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{"/readyz": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }}
	}
	for name, status := range map[string]int{"ready": http.StatusOK, "forbidden": http.StatusForbidden} {
		t.Run(name, func(t *testing.T) {
			if err := apiServer(t, code(status)).apiServer(t.Context()); err != nil {
				t.Errorf("apiServer() = %v, want nil", err)
			}
		})
	}
	t.Run("not ready", func(t *testing.T) {
		w := apiServer(t, code(http.StatusInternalServerError))
		if got := waitSays(t, w, w.apiServer); !strings.HasPrefix(got, "waiting for the API server at SERVER: ") {
			t.Errorf("/readyz says %q", got)
		}
	})
	t.Run("credentials refused", func(t *testing.T) {
		err := apiServer(t, code(http.StatusUnauthorized)).apiServer(t.Context())
		const want = "giving up: the API server at SERVER does not accept the credentials of --kubeconfig or the service account"
		if !errors.Is(err, errFatal) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error = %v, want %s...", err, want)
		}
	})
}

func TestMissingPermissionsAreAllNamed(t *testing.T) {
	w := apiServer(t, map[string]http.HandlerFunc{
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews": func(rw http.ResponseWriter, r *http.Request) {
			var review authorizationv1.SelfSubjectAccessReview
			if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
				http.Error(rw, err.Error(), http.StatusBadRequest)
				return
			}
			a := review.Spec.ResourceAttributes
			review.APIVersion, review.Kind = "authorization.k8s.io/v1", "SelfSubjectAccessReview"
			review.Status.Allowed = a.Verb != "delete" && a.Resource != "secrets"
			answer(rw, review)
		},
	})
	needed := []authorizationv1.ResourceAttributes{
		{Verb: "list", Resource: "pods"},
		{Verb: "delete", Resource: "pods"},
		{Verb: "get", Resource: "secrets", Namespace: "ns"},
	}
	const want = "this user lacks permissions: apply manifests/base/rbac-watcher.yaml and bind its roles to the user; missing:\n" +
		"  delete pods\n  get secrets in namespace ns"
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := w.permissions(ctx, needed); text(err) != want {
		t.Errorf("error = %q, want %q", text(err), want)
	}
}

func TestMetricsInTheClearOnLoopbackOnly(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:8443": false, "localhost:8443": false, "[::1]:8443": false, ":8443": true, "0.0.0.0:8443": true, "10.0.0.1:8443": true, "0": true,
	} {
		opts := metricsOptions(address)
		if opts.SecureServing != want || (opts.FilterProvider != nil) != want {
			t.Errorf("metricsOptions(%q): secure %t, filtered %t, want %t", address, opts.SecureServing, opts.FilterProvider != nil, want)
		}
	}
}
