// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package follow makes of an informer's events two: an object is seen, or is
// gone. It knows no kind of object, and keeps none.
package follow

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// Handler calls seen with each object that comes or changes, and gone with each that has gone, as it was last known. An
// object deleted and made anew under its name, while the watch was away, comes from client-go as an update: here the one
// before is gone first. Objects of other types are passed over.
func Handler[T metav1.Object](seen, gone func(T)) cache.ResourceEventHandler {
	see := func(obj any) {
		if object, ok := obj.(T); ok {
			seen(object)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: see,
		UpdateFunc: func(before, after any) {
			if b, ok := before.(T); ok {
				if a, ok := after.(T); ok && a.GetUID() != b.GetUID() {
					gone(b)
				}
			}
			see(after)
		},
		DeleteFunc: func(obj any) {
			if final, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = final.Obj
			}
			if object, ok := obj.(T); ok {
				gone(object)
			}
		},
	}
}

// Until makes an informer that others share call a handler until ctx ends. hasSynced says whether the handler has been
// given all that was there at first.
func Until(ctx context.Context, informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) (hasSynced cache.InformerSynced, err error) {
	registration, err := informer.AddEventHandler(handler)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() {
		if informer.IsStopped() {
			return // it calls nobody any more
		}
		if err := informer.RemoveEventHandler(registration); err != nil {
			klog.FromContext(ctx).Error(err, "Ceasing to follow an informer")
		}
	})
	return registration.HasSynced, nil
}
