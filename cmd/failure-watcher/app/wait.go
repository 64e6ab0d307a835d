// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	kubevirtv1 "kubevirt.io/api/core/v1"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

const (
	// sayEvery is how often a wait is reported.
	sayEvery = 10 * time.Second
	askEvery = time.Second
	// askTimeout bounds one question at start.
	askTimeout = 5 * time.Second
)

// errFatal marks what waiting does not mend.
var errFatal = errors.New("giving up")

// waiter waits for what the watcher needs, for as long as it takes, and says what it waits for.
type waiter struct {
	client kubernetes.Interface
	server string
	clock  clock.WithTicker
	status *status
}

// until asks again and again until the answer is nil or fatal.
func (w *waiter) until(ctx context.Context, what string, ask func(context.Context) error) error {
	ticker := w.clock.NewTicker(askEvery)
	defer ticker.Stop()
	var said time.Time
	for {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		err := ask(asking)
		cancel()
		switch {
		case err == nil:
			if !said.IsZero() {
				klog.FromContext(ctx).Info("The wait is over", "for", what)
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errFatal):
			return err
		}
		if said.IsZero() || w.clock.Since(said) >= sayEvery {
			said = w.clock.Now()
			klog.FromContext(ctx).Info("Waiting for "+what, "why", err)
			w.status.waiting("waiting for " + what + ": " + err.Error())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C():
		}
	}
}

// apiServer waits until the API server is ready.
func (w *waiter) apiServer(ctx context.Context) error {
	return w.until(ctx, "the API server at "+w.server, func(ctx context.Context) error {
		err := w.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		switch {
		case apierrors.IsForbidden(err):
			return nil // it answers; what is missing is found below
		case apierrors.IsUnauthorized(err):
			return fmt.Errorf("%w: the API server at %s does not accept the credentials of --kubeconfig or the service account (%w): renew them", errFatal, w.server, err)
		}
		return err
	})
}

// kinds waits until the API server serves the kinds.
func (w *waiter) kinds(ctx context.Context) error {
	needed := []struct {
		what, hint string
		gv         schema.GroupVersion
		resources  []string
	}{
		{"the CRD of NodeFailure", "apply manifests/crds", failurev1alpha1.GroupVersion, []string{"nodefailures"}},
		{"KubeVirt's CRDs", "install KubeVirt", kubevirtv1.GroupVersion, []string{
			"virtualmachines", "virtualmachineinstances", "virtualmachineinstancemigrations",
		}},
	}
	for _, n := range needed {
		err := w.until(ctx, n.what, func(context.Context) error {
			list, err := w.client.Discovery().ServerResourcesForGroupVersion(n.gv.String())
			if apierrors.IsNotFound(err) {
				return fmt.Errorf("the API server does not serve %s: %s", n.gv, n.hint)
			}
			if err != nil {
				return err
			}
			served := map[string]bool{}
			for i := range list.APIResources {
				served[list.APIResources[i].Name] = true
			}
			for _, resource := range n.resources {
				if !served[resource] {
					return fmt.Errorf("the API server does not serve %s of %s: %s", resource, n.gv, n.hint)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// permissions asks whether everything that will be needed is allowed, so that what is missing is known at once and not in the
// middle of a rescue.
func (w *waiter) permissions(ctx context.Context, needed []authorizationv1.ResourceAttributes) error {
	var missing []string
	err := w.until(ctx, "the API server's answer about permissions", func(ctx context.Context) error {
		missing = nil
		for i := range needed {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &needed[i]}}
			answer, err := w.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			if !answer.Status.Allowed {
				missing = append(missing, attributes(needed[i]))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("this user lacks permissions: apply manifests/base/rbac-watcher.yaml and bind its roles to the user; missing:\n  %s",
			strings.Join(missing, "\n  "))
	}
	return nil
}

func attributes(a authorizationv1.ResourceAttributes) string {
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	if a.Group != "" {
		resource += "." + a.Group
	}
	text := a.Verb + " " + resource
	if a.Name != "" {
		text += " " + a.Name
	}
	if a.Namespace != "" {
		text += " in namespace " + a.Namespace
	}
	return text
}
