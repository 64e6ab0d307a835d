// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmutilization

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/follow"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/rank"
)

// What the event about a node says whose annotation cannot be read.
const (
	eventReason = "InvalidOvercommit"
	eventAction = "Scheduling"
)

// capsOn returns the caps of a node: those of the arguments, and in their place what the node's annotation names. An
// annotation that cannot be read counts as absent, so that it never lifts a cap; overrides reports it.
func (pl *VMUtilization) capsOn(node *corev1.Node) rank.Caps {
	text, ok := node.Annotations[config.OvercommitAnnotation]
	if !ok {
		return pl.caps
	}
	own, err := rank.ParseCaps(text)
	if err != nil {
		return pl.caps
	}
	return pl.caps.Overridden(own)
}

// overrides follows which nodes have caps of their own, for two purposes: to report those that cannot be read, once, and
// to skip Filter where there are none. Filter itself reads what the node says in the scheduler's snapshot.
type overrides struct {
	logger   klog.Logger
	recorder events.EventRecorder
	profile  string
	// caps of the arguments.
	caps rank.Caps
	// synced is true once all nodes have been seen.
	synced func() bool

	mu     sync.RWMutex
	byNode map[string]string // node -> its annotation
}

func followOverrides(ctx context.Context, handle fwk.Handle, caps rank.Caps) (*overrides, error) {
	o := &overrides{
		logger: klog.FromContext(ctx), recorder: handle.EventRecorder(), profile: handle.ProfileName(), caps: caps,
		synced: func() bool { return false },
		byNode: map[string]string{},
	}
	factory := handle.SharedInformerFactory()
	if factory == nil {
		return o, nil
	}
	synced, err := follow.Until(ctx, factory.Core().V1().Nodes().Informer(), follow.Handler(o.seen, o.gone))
	if err != nil {
		return nil, fmt.Errorf("following nodes: %w", err)
	}
	o.synced = synced
	return o, nil
}

// any is false when it is known that no node has caps of its own.
func (o *overrides) any() bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return len(o.byNode) > 0 || !o.synced()
}

func (o *overrides) seen(node *corev1.Node) {
	text, ok := node.Annotations[config.OvercommitAnnotation]
	o.mu.Lock()
	before, had := o.byNode[node.Name]
	if ok {
		o.byNode[node.Name] = text
	} else {
		delete(o.byNode, node.Name)
	}
	o.mu.Unlock()
	if !ok || (had && text == before) {
		return
	}
	if _, err := rank.ParseCaps(text); err != nil {
		o.report(node, err)
	}
}

func (o *overrides) report(node *corev1.Node, err error) {
	held := fmt.Sprintf("the arguments of profile %s hold: %s", o.profile, o.caps)
	o.logger.Error(err, "The node's annotation cannot be read and counts as absent: caps of the arguments hold",
		"node", klog.KObj(node), "annotation", config.OvercommitAnnotation, "profile", o.profile, "caps", o.caps.String())
	if o.recorder != nil {
		o.recorder.Eventf(node, nil, corev1.EventTypeWarning, eventReason, eventAction,
			"Annotation %s cannot be read and counts as absent, %s. %s", config.OvercommitAnnotation, held, err)
	}
}

func (o *overrides) gone(node *corev1.Node) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.byNode, node.Name)
}
