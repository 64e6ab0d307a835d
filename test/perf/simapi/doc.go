// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simapi is a simulated API server inside the process, and the real
// scheduler on it, driven one pod at a time: for measuring the scheduling cycle
// (test/perf/cycle) and the quality of placement (test/quality).
//
// Real are the scheduler, its informers, its queue and its plugins. Simulated is
// the API server: it answers at once from memory, shares objects instead of
// copying them, and knows no validation, admission, authorization or controllers.
// What a real API server does is tested in test/integration.
//
//	api := simapi.New()
//	api.SetNode(node)                          // as many as there are
//	api.SetVMI(vmi); api.SetPod(pod)           // what is there at the start, pods with spec.nodeName
//	config, err := simapi.LoadConfig(yaml)     // strictly, with the defaults
//	s, err := api.Start(ctx, simapi.Config{Profiles: config.Profiles, Registry: plugins.NewRegistry()})
//	api.SetVMI(vmi)                            // the VMI first, then its launcher pod
//	outcome, err := s.Schedule(ctx, pod)       // outcome.Node, or outcome.Status and outcome.Diagnosis
//	api.DeletePod(pod.Namespace, pod.Name); api.DeleteVMI(vmi.Namespace, vmi.Name)
//	err = s.Settle(ctx)                        // all informers have heard of it; Schedule begins with it too
//
// An object that was given to the API belongs to it and must not be changed any
// more; to change one, give a changed copy. Names of the simulated API's objects
// are the caller's, UIDs must be set.
//
// With Parallelism 1 a run comes out the same each time. With more, the order in
// which feasible nodes are found varies; it decides between equal scores (the
// scheduler of Kubernetes 1.35 draws lots only when it has extenders), and, when the
// scheduler stops looking at a part of the nodes, which part that is.
//
// Only one Scheduler in the process may be at work when Settle is called: it
// waits until nothing runs in the whole process.
package simapi
