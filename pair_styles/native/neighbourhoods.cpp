// SPDX-License-Identifier: GPL-2.0-or-later

#include "neighbourhoods.h"

#include "radial_table.h"

#include <algorithm>
#include <cmath>

using namespace lamplighter;

template <class T>
Neighbourhoods<T>::Neighbourhoods(const Kernels<T> &kernels, double cutoff, int l_max,
                                  const Nodes &nodes, const std::vector<int> &species_of_type,
                                  const std::vector<double> &cutoffs) :
    kernels_(kernels), cutoff_(cutoff), l_max_(l_max), nodes_(nodes),
    species_of_type_(species_of_type),
    nspecies_((int) std::lround(std::sqrt((double) cutoffs.size())))
{
  for (const double own : cutoffs) stretch_.push_back(cutoff / own);
  begin();
}

template <class T> void Neighbourhoods<T>::begin()
{
  overlap_.found = false;
  within_.clear();
  within_from_.assign(1, 0);
}

template <class T> void Neighbourhoods<T>::reserve(AtomEdges<T> &near, int wanted)
{
  if ((int) near.interval.size() >= wanted) return;
  const int n = padded(wanted + wanted / 4);
  Edges<T> &edges = near.edges;
  edges = {};
  edges.capacity = n;
  edges.nfactors = HARMONICS + (l_max_ + 1) * (l_max_ + 1);
  near.vectors.resize(6 * (size_t) n);
  near.geometry.resize((size_t) (3 + edges.nfactors + 16) * n);
  for (auto *numbers : {&near.interval, &near.neighbour, &near.species}) numbers->resize(n);
  if (!stretch_.empty()) near.stretch.resize(n);
  for (auto *places : {&near.table_at, &near.vector_table_at, &near.sent_at}) places->resize(n);
  int row = 0;
  for (double **p : {&edges.dx, &edges.dy, &edges.dz, &edges.fx, &edges.fy, &edges.fz})
    *p = near.vectors.data() + (size_t) n * row++;
  T *next = near.geometry.data();
  edges.factors = next;
  edges.gradient = next += (size_t) edges.nfactors * n;
  edges.ux = next += (size_t) 16 * n;
  edges.uy = next += n;
  edges.uz = next += n;
  edges.interval = near.interval.data();
  edges.table_at = near.table_at.data();
  edges.vector_table_at = near.vector_table_at.data();
  edges.sent_at = near.sent_at.data();
}

/* Of the listed neighbours of local atom i those within the cutoff, at the end of within_. Where
   the next one goes depends on the distance, and nothing else does: a branch for two neighbours out
   of three, in no order, costs more than all else here. */

template <class T> void Neighbourhoods<T>::find(const Atoms &atoms, int i, AtomEdges<T> &near)
{
  const int most = atoms.nneighbours[i];
  const int *neighbours = atoms.neighbours[i];
  const double *x = atoms.x, *xi = x + 3 * (size_t) i;
  const double cutsq = cutoff_ * cutoff_;
  reserve(near, std::max(most, 1));
  int *within = near.neighbour.data();
  double shortest = cutsq;
  int n = 0;
  for (int k = 0; k < most; k++) {
    const int j = neighbours[k] & atoms.neighbour_mask;
    const double *xj = x + 3 * (size_t) j;
    const double dx = xj[0] - xi[0], dy = xj[1] - xi[1], dz = xj[2] - xi[2];
    const double rsq = dx * dx + dy * dy + dz * dz;
    within[n] = j;
    n += !(rsq >= cutsq);
    shortest = std::min(shortest, rsq);
  }
  if (!stretch_.empty()) n = within_own_cutoffs(atoms, i, within, n);
  within_.insert(within_.end(), within, within + n);
  if (!(shortest < SHORTEST_DISTANCE * SHORTEST_DISTANCE) || overlap_.found) return;
  for (int e = 0; e < n && !overlap_.found; e++) {
    const double *xj = x + 3 * (size_t) within[e];
    const double dx = xj[0] - xi[0], dy = xj[1] - xi[1], dz = xj[2] - xi[2];
    const double rsq = dx * dx + dy * dy + dz * dz;
    if (rsq < SHORTEST_DISTANCE * SHORTEST_DISTANCE)
      overlap_ = {true, i, within[e], std::sqrt(rsq)};
  }
}

/* Keeps those that are within the cutoff of their species, and says how many. */

template <class T>
int Neighbourhoods<T>::within_own_cutoffs(const Atoms &atoms, int i, int *within, int count) const
{
  const double *xi = atoms.x + 3 * (size_t) i;
  int n = 0;
  for (int e = 0; e < count; e++) {
    const double *xj = atoms.x + 3 * (size_t) within[e];
    const double dx = xj[0] - xi[0], dy = xj[1] - xi[1], dz = xj[2] - xi[2];
    const double own = cutoff_ / stretch(atoms, i, within[e]);
    if (dx * dx + dy * dy + dz * dz < own * own) within[n++] = within[e];
  }
  return n;
}

template <class T>
void Neighbourhoods<T>::describe(const Atoms &atoms, int i, const int *within, int count,
                                 AtomEdges<T> &near)
{
  const double *x = atoms.x, *xi = x + 3 * (size_t) i;
  reserve(near, std::max(count, 1));
  Edges<T> &edges = near.edges;
  edges.count = count;
  for (int e = 0; e < count; e++) {
    const int j = near.neighbour[e] = within[e];
    const double *xj = x + 3 * (size_t) j;
    edges.dx[e] = xj[0] - xi[0];
    edges.dy[e] = xj[1] - xi[1];
    edges.dz[e] = xj[2] - xi[2];
    near.species[e] = species_of_type_[atoms.type[j]];
  }
  if (!stretch_.empty())
    for (int e = 0; e < count; e++) {
      const double s = near.stretch[e] = stretch(atoms, i, within[e]);
      edges.dx[e] *= s;
      edges.dy[e] *= s;
      edges.dz[e] *= s;
    }
  kernels_.geometry(edges, l_max_, nodes_);
}

template <class T>
AtomBlock Neighbourhoods<T>::take_block(const Atoms &atoms, int slot, int begin, bool first_pass)
{
  AtomBlock block;
  block.slot = slot;
  block.count = std::min(ATOMS_AT_ONCE, atoms.nlist - begin);
  for (int a = 0; a < block.count; a++) {
    const int i = block.i[a] = atoms.list[begin + a];
    block.species[a] = species_of_type_[atoms.type[i]];
    AtomEdges<T> &near = of(block, a);
    if (first_pass) {
      find(atoms, i, near);
      within_from_.push_back(within_.size());
    }
    const size_t from = within_from_[begin + a];
    describe(atoms, i, within_.data() + from, (int) (within_from_[begin + a + 1] - from), near);
  }
  return block;
}

template <class T>
const std::vector<AtomBlock> &Neighbourhoods<T>::take_blocks(const Atoms &atoms, int begin,
                                                             int most, bool first_pass)
{
  if (near_.size() < (size_t) most * ATOMS_AT_ONCE) near_.resize((size_t) most * ATOMS_AT_ONCE);
  blocks_.clear();
  for (int slot = 0; slot < most && begin < atoms.nlist; slot++, begin += ATOMS_AT_ONCE)
    blocks_.push_back(take_block(atoms, slot, begin, first_pass));
  return blocks_;
}

/* As add_pair_force, with what the edges add to atom i and to the virial summed first. */

template <class T>
void Neighbourhoods<T>::add_forces(const AtomBlock &block, int a, Results &results) const
{
  const AtomEdges<T> &near = near_[(size_t) block.slot * ATOMS_AT_ONCE + a];
  const Edges<T> &edges = near.edges;
  const size_t i = (size_t) block.i[a];
  if (results.vatom || !stretch_.empty()) {
    for (int e = 0; e < edges.count; e++) {
      const double s = stretch_.empty() ? 1.0 : near.stretch[e];
      const double r[3] = {edges.dx[e] / s, edges.dy[e] / s, edges.dz[e] / s};
      const double f[3] = {edges.fx[e] * s, edges.fy[e] * s, edges.fz[e] * s};
      add_pair_force(i, (size_t) near.neighbour[e], r, f, results);
    }
    return;
  }
  double fx = 0.0, fy = 0.0, fz = 0.0;
  for (int e = 0; e < edges.count; e++) {
    double *fj = results.f + 3 * (size_t) near.neighbour[e];
    fx += edges.fx[e];
    fy += edges.fy[e];
    fz += edges.fz[e];
    fj[0] -= edges.fx[e];
    fj[1] -= edges.fy[e];
    fj[2] -= edges.fz[e];
  }
  double *fi = results.f + 3 * i;
  fi[0] += fx;
  fi[1] += fy;
  fi[2] += fz;
  if (!results.virial) return;
  double v[6] = {};
  for (int e = 0; e < edges.count; e++) {
    const double x = edges.dx[e], y = edges.dy[e], z = edges.dz[e];
    v[0] += x * edges.fx[e];
    v[1] += y * edges.fy[e];
    v[2] += z * edges.fz[e];
    v[3] += x * edges.fy[e] + y * edges.fx[e];
    v[4] += x * edges.fz[e] + z * edges.fx[e];
    v[5] += y * edges.fz[e] + z * edges.fy[e];
  }
  for (int k = 0; k < 6; k++) results.virial[k] -= (k < 3 ? 1.0 : 0.5) * v[k];
}

template <class T> size_t Neighbourhoods<T>::memory() const
{
  size_t bytes = within_.capacity() * sizeof(int) + within_from_.capacity() * sizeof(size_t);
  for (const AtomEdges<T> &near : near_)
    bytes += near.geometry.size() * sizeof(T) + near.vectors.size() * sizeof(double);
  return bytes;
}

template class lamplighter::Neighbourhoods<float>;
template class lamplighter::Neighbourhoods<double>;
