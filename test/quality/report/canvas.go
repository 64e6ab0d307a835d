// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"strings"
)

// A picture's size, and what is left free around the part in which values are drawn, in pixels. Names stand below, two in a row.
const (
	plotWidth, plotHeight = 720, 400
	plotLeft, plotRight   = 70, 20
	plotTop, plotBottom   = 40, 90
	nameWidth, nameHeight = 320, 20
	mostPoints            = 400 // of a line: more of them would not be seen
)

// colours are told apart by those who see no red or green (Okabe and Ito), and on light ground and dark.
var colours = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7"}

const grey = "#808080"

// axis is the vertical one. A logarithmic axis begins above 0.
type axis struct {
	bottom, top float64
	logarithmic bool
}

// pixels is how far from the upper edge a value is.
func (a axis) pixels(v float64) float64 {
	bottom, top := a.bottom, a.top
	if a.logarithmic {
		v, bottom, top = math.Log10(max(v, bottom)), math.Log10(bottom), math.Log10(top)
	}
	return plotHeight - plotBottom - (v-bottom)/(top-bottom)*(plotHeight-plotBottom-plotTop)
}

// canvas is a picture that is being drawn.
type canvas struct {
	axis
	out   strings.Builder
	names int
}

func newCanvas(title, below string, a axis) *canvas {
	c := &canvas{axis: a}
	c.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" fill="%s">`, plotWidth, plotHeight, grey)
	c.add(`<text x="%d" y="22" font-size="15">%s</text>`, plotLeft, title)
	c.add(`<text x="%d" y="%d">%s</text>`, plotLeft, plotHeight-plotBottom+20, below)
	return c
}

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.out, format+"\n", args...) }

// end returns the picture as SVG.
func (c *canvas) end() string { return c.out.String() + "</svg>\n" }

// mark draws a value's line across the picture, and writes the value beside it.
func (c *canvas) mark(v float64, label string) {
	y := c.pixels(v)
	c.add(`<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="%s" stroke-opacity="0.3"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`,
		plotLeft, y, plotWidth-plotRight, y, grey, plotLeft-8, y+4, label)
}

// bound draws a dashed line from one place to another, with words above it or below that end at a third.
func (c *canvas) bound(v, from, to, end float64, below bool, words string) {
	y, shift := c.pixels(v), -5.0
	if below {
		shift = 15
	}
	c.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="2" stroke-dasharray="6 4"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
		from, y, to, y, grey, end, y+shift, words)
}

// line draws values from left to right.
func (c *canvas) line(values []float64, colour string) {
	n := min(len(values), mostPoints)
	points := make([]string, n)
	for i := range n {
		share := float64(i) / float64(max(n-1, 1))
		value := values[int(math.Round(share*float64(len(values)-1)))]
		points[i] = fmt.Sprintf("%.1f,%.1f", plotLeft+share*(plotWidth-plotLeft-plotRight), c.pixels(value))
	}
	c.add(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.Join(points, " "), colour)
}

// bar draws a value as a bar with the number at its foot.
func (c *canvas) bar(x, width float64, v int, colour string) {
	y := c.pixels(float64(v))
	c.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/><text x="%.1f" y="%.1f" text-anchor="middle" fill="#FFFFFF" font-weight="bold">%d</text>`,
		x, y, width, plotHeight-plotBottom-y, colour, x+width/2, float64(plotHeight-plotBottom-10), v)
}

// name says below the picture what a colour stands for.
func (c *canvas) name(colour, words string) {
	x, y := plotLeft+c.names%2*nameWidth, plotHeight-plotBottom+48+c.names/2*nameHeight
	c.add(`<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d" fill="%s">%s</text>`, x, y-11, colour, x+18, y, colour, words)
	c.names++
}
