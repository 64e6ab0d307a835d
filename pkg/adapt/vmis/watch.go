// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

const vmiResource = "virtualmachineinstances"

// crdRetry is how often KubeVirt's API is looked for: one small request, at first after a second, then ever more
// seldom, every 30 s at the end, for as long as the scheduler runs. It is jittered, as schedulers start together.
var crdRetry = wait.Backoff{Duration: time.Second, Factor: 1.5, Jitter: 0.1, Cap: 30 * time.Second, Steps: 64}

// watch reads the VirtualMachineInstances of a cluster once their API is there.
type watch struct {
	discovery discovery.DiscoveryInterface
	informer  cache.SharedIndexInformer
}

func newWatch(kubeConfig *rest.Config) (*watch, error) {
	// The scheduler's own configuration asks for protobuf, which custom resources do not speak.
	config := rest.CopyConfig(kubeConfig)
	config.ContentType = runtime.ContentTypeJSON
	config.AcceptContentTypes = runtime.ContentTypeJSON
	if config.UserAgent == "" {
		config.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	config.UserAgent += "/vmis"

	scheme := runtime.NewScheme()
	if err := kubevirtv1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering KubeVirt's types: %w", err)
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a discovery client: %w", err)
	}
	config.APIPath = "/apis"
	config.GroupVersion = &kubevirtv1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", kubevirtv1.GroupVersion, err)
	}
	lw := cache.NewListWatchFromClient(client, vmiResource, metav1.NamespaceAll, fields.Everything())
	informer := cache.NewSharedIndexInformer(lw, &kubevirtv1.VirtualMachineInstance{}, 0, cache.Indexers{})
	if err := informer.SetWatchErrorHandlerWithContext(logWatchError); err != nil {
		return nil, err
	}
	return &watch{discovery: discoveryClient, informer: informer}, nil
}

// run waits for KubeVirt's API, then keeps the informer running; it returns when ctx ends. onSynced is called once,
// when hasSynced.
func (w *watch) run(ctx context.Context, hasSynced cache.InformerSynced, onSynced func()) {
	logger := klog.FromContext(ctx)
	if err := w.waitForAPI(ctx); err != nil {
		return // only ctx ends the wait
	}
	logger.Info("KubeVirt's API is there: reading VirtualMachineInstances")
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), hasSynced) {
			onSynced()
			logger.Info("VirtualMachineInstances have been read", "count", len(w.informer.GetStore().ListKeys()))
		}
	}()
	w.informer.RunWithContext(ctx)
}

func (w *watch) waitForAPI(ctx context.Context) error {
	logger := klog.FromContext(ctx)
	said := ""
	return crdRetry.DelayFunc().Until(ctx, true, false, func(context.Context) (bool, error) {
		err := w.served()
		if err == nil {
			return true, nil
		}
		if message := err.Error(); message != said { // once per reason, not per try
			said = message
			logger.Info("VirtualMachineInstances cannot be read yet: VM sizes are guessed from launcher pods; trying on", "reason", message)
		}
		return false, nil
	})
}

// served returns nil when the API server serves VirtualMachineInstances.
func (w *watch) served() error {
	list, err := w.discovery.ServerResourcesForGroupVersion(kubevirtv1.GroupVersion.String())
	if apierrors.IsNotFound(err) {
		return errors.New("KubeVirt is not installed: no API " + kubevirtv1.GroupVersion.String())
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == vmiResource }) {
		return fmt.Errorf("the API server serves no %s in %s", vmiResource, kubevirtv1.GroupVersion)
	}
	return nil
}

// logWatchError says what to do about the one error that stays until somebody acts; client-go logs the others.
func logWatchError(ctx context.Context, r *cache.Reflector, err error) {
	if apierrors.IsForbidden(err) {
		klog.FromContext(ctx).Error(err, "VirtualMachineInstances may not be read, VM sizes are guessed from launcher pods: "+
			"allow the scheduler's account to get, list and watch virtualmachineinstances.kubevirt.io (manifests/base/rbac-scheduler.yaml)")
		return
	}
	cache.DefaultWatchErrorHandler(ctx, r, err)
}
