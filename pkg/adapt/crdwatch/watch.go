// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package crdwatch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// apiRetry is how often the API is looked for: one small request, at first after a second, then ever more seldom,
// every 30 s at the end, for as long as the scheduler runs. It is jittered, as schedulers start together.
var apiRetry = wait.Backoff{Duration: time.Second, Factor: 1.5, Jitter: 0.1, Cap: 30 * time.Second, Steps: 64}

// startPatience bounds how long AwaitFirst waits for what is there at first to be read.
const startPatience = 15 * time.Second

// look is how often it is asked whether all has been read: client-go offers no signal.
const look = 10 * time.Millisecond

// Resource is what is to be read.
type Resource struct {
	// GroupVersion and Plural name the API: kubevirt.io/v1, virtualmachineinstances.
	GroupVersion schema.GroupVersion
	Plural       string
	// Kind is the plural for people: VirtualMachineInstances.
	Kind string
	// Without says what goes on without it: "VM sizes are guessed from launcher pods".
	Without string
	// AddToScheme registers the Go types.
	AddToScheme func(*runtime.Scheme) error
	// Object is an empty object of the Go type.
	Object runtime.Object
}

// Watch reads a resource once its API is there.
type Watch struct {
	resource  Resource
	discovery discovery.DiscoveryInterface
	informer  cache.SharedIndexInformer

	// first is closed when there is no reason to wait any more before going on with what is known.
	first     chan struct{}
	firstOnce sync.Once
}

// New returns a Watch that does nothing until Run. keep turns each object into what is stored and given to the
// handler; it must leave an object that it has made itself as it is.
func New(kubeConfig *rest.Config, resource Resource, keep cache.TransformFunc) (*Watch, error) {
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(configFor(kubeConfig, resource))
	if err != nil {
		return nil, fmt.Errorf("making a discovery client: %w", err)
	}
	client, err := NewClient(kubeConfig, resource)
	if err != nil {
		return nil, err
	}
	lw := cache.NewListWatchFromClient(client, resource.Plural, metav1.NamespaceAll, fields.Everything())
	w := &Watch{
		resource: resource, discovery: discoveryClient,
		informer: cache.NewSharedIndexInformer(lw, resource.Object, 0, cache.Indexers{}),
		first:    make(chan struct{}),
	}
	if err := w.informer.SetWatchErrorHandlerWithContext(w.logWatchError); err != nil {
		return nil, err
	}
	return w, w.informer.SetTransform(keep)
}

// NewClient returns a client for the resource and what else is in its group and version, for who writes it, too.
func NewClient(kubeConfig *rest.Config, resource Resource) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := resource.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering types of %s: %w", resource.GroupVersion, err)
	}
	config := configFor(kubeConfig, resource)
	config.APIPath = "/apis"
	config.GroupVersion = &resource.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", resource.GroupVersion, err)
	}
	return client, nil
}

func configFor(kubeConfig *rest.Config, resource Resource) *rest.Config {
	// The scheduler's own configuration asks for protobuf, which custom resources do not speak.
	config := rest.CopyConfig(kubeConfig)
	config.ContentType = runtime.ContentTypeJSON
	config.AcceptContentTypes = runtime.ContentTypeJSON
	if config.UserAgent == "" {
		config.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	config.UserAgent += "/" + resource.Plural
	return config
}

// Run waits for the API, then keeps what there is of the resource known to the handler; it returns when ctx ends.
// onSynced is called once, when the handler has been given all that was there at first.
func (w *Watch) Run(ctx context.Context, handler cache.ResourceEventHandler, onSynced func()) error {
	defer w.goOn()
	registration, err := w.informer.AddEventHandler(handler)
	if err != nil {
		return err
	}
	if err := w.waitForAPI(ctx); err != nil {
		return nil // only the end of ctx ends the wait, and that is how Run ends
	}
	logger := klog.FromContext(ctx)
	logger.Info("The API is there: reading "+w.resource.Kind, "api", w.resource.GroupVersion.String())
	go func() {
		err := wait.PollUntilContextCancel(ctx, look, true, func(context.Context) (bool, error) { return registration.HasSynced(), nil })
		if err == nil { // else the scheduler ends
			onSynced()
			logger.Info(w.resource.Kind+" have been read", "count", len(w.informer.GetStore().ListKeys()))
			w.goOn()
		}
	}()
	w.informer.RunWithContext(ctx)
	return nil
}

// AwaitFirst waits, after Run was called, until all that is there has been read and given to the handler: a scheduler that has just
// started must not decide by guesses what it could know. It does not wait where that may take long: when the API is not
// there, or does not answer, or may not be read; and in no case for more than 15 s.
func (w *Watch) AwaitFirst(ctx context.Context) {
	timeout := time.NewTimer(startPatience)
	defer timeout.Stop()
	select {
	case <-w.first:
	case <-ctx.Done():
	case <-timeout.C:
		klog.FromContext(ctx).Info(w.resource.Kind+" have not been read yet: "+w.resource.Without+" until then", "waited", startPatience)
	}
}

func (w *Watch) goOn() { w.firstOnce.Do(func() { close(w.first) }) }

func (w *Watch) waitForAPI(ctx context.Context) error {
	logger := klog.FromContext(ctx)
	said := ""
	return apiRetry.DelayFunc().Until(ctx, true, false, func(context.Context) (bool, error) {
		err := w.served()
		if err == nil {
			return true, nil
		}
		if message := err.Error(); message != said { // once per reason, not per try
			said = message
			logger.Info(w.resource.Kind+" cannot be read yet: "+w.resource.Without+"; trying on", "reason", message)
		}
		w.goOn()
		return false, nil
	})
}

// served returns nil when the API server serves the resource.
func (w *Watch) served() error {
	version := w.resource.GroupVersion.String()
	list, err := w.discovery.ServerResourcesForGroupVersion(version)
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("not installed: no API %s", version)
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == w.resource.Plural }) {
		return fmt.Errorf("the API server serves no %s in %s", w.resource.Plural, version)
	}
	return nil
}

// logWatchError says what to do about the one error that stays until somebody acts; client-go logs the others.
func (w *Watch) logWatchError(ctx context.Context, r *cache.Reflector, err error) {
	w.goOn()
	if apierrors.IsForbidden(err) {
		klog.FromContext(ctx).Error(err, fmt.Sprintf("%s may not be read, %s: allow the scheduler's account to get, list and watch %s.%s (manifests/base/rbac-scheduler.yaml)",
			w.resource.Kind, w.resource.Without, w.resource.Plural, w.resource.GroupVersion.Group))
		return
	}
	cache.DefaultWatchErrorHandler(ctx, r, err)
}
