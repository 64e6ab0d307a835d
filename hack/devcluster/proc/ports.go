// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports below the range from which the kernel takes ports for outgoing
// connections (32768 and up by default): such a connection must not sit on a
// port that a process comes back to after a restart.
const (
	firstPort = 15000
	lastPort  = 32000
)

// Ports hands out free TCP ports on 127.0.0.1. It keeps each one bound until it
// is released, so that two clusters which start at the same time don't choose
// the same.
type Ports struct {
	mu   sync.Mutex
	held map[int]net.Listener
}

// NewPorts makes an empty set.
func NewPorts() *Ports { return &Ports{held: map[int]net.Listener{}} }

// Reserve returns n free ports.
func (p *Ports) Reserve(n int) ([]int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ports := make([]int, 0, n)
	for attempt := 0; len(ports) < n; attempt++ {
		if attempt > 100*n {
			return nil, fmt.Errorf("found only %d of %d free ports between %d and %d on 127.0.0.1", len(ports), n, firstPort, lastPort)
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		p.held[port] = l
		ports = append(ports, port)
	}
	return ports, nil
}

// Release frees ports for the process that is about to bind them. A port that is
// not held is ignored.
func (p *Ports) Release(ports ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, port := range ports {
		if l, ok := p.held[port]; ok {
			_ = l.Close()
			delete(p.held, port)
		}
	}
}

// Close frees all that is still held.
func (p *Ports) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for port, l := range p.held {
		_ = l.Close()
		delete(p.held, port)
	}
}
