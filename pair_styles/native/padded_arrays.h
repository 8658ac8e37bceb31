// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_PADDED_ARRAYS_H
#define LAMPLIGHTER_PADDED_ARRAYS_H

#include "kernels.h"

#include <cstddef>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace lamplighter {

/* Numbers aligned for vector loads. */
template <class T> class Array {
 public:
  Array() : data_(nullptr), size_(0) {}
  Array(const Array &) = delete;
  Array(Array &&other) noexcept : data_(other.data_), size_(other.size_)
  {
    other.data_ = nullptr;
    other.size_ = 0;
  }
  Array &operator=(Array &&other) noexcept
  {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  Array &operator=(const Array &) = delete;
  ~Array() { release(); }

  void resize(size_t size)
  {
    if (size <= size_) return;
    release();
    data_ = (T *) ::operator new(size * sizeof(T), std::align_val_t(ALIGNMENT));
    size_ = size;
    memset((void *) data_, 0, size * sizeof(T));
  }
  T *data() { return data_; }
  const T *data() const { return data_; }
  size_t size() const { return size_; }
  T &operator[](size_t k) { return data_[k]; }
  const T &operator[](size_t k) const { return data_[k]; }

 private:
  T *data_;
  size_t size_;
  void release()
  {
    if (data_) ::operator delete(data_, std::align_val_t(ALIGNMENT));
    data_ = nullptr;
  }
};

/* Channels in arrays that kernels read: a whole number of groups. */
inline int padded(int channels)
{
  return (channels + GROUP - 1) / GROUP * GROUP;
}

/* A linear layer and its transpose, for every species or for all. */
template <class T> struct Matrix {
  int nin, nout;    // padded
  size_t size;
  bool per_species;
  Array<T> forward, backward;

  void set(const std::vector<double> &values, int nspecies, int blocks, int in, int out);
  const T *matrix(int species) const { return forward.data() + (per_species ? species * size : 0); }
  const T *transpose(int species) const
  {
    return backward.data() + (per_species ? species * size : 0);
  }
};

template <class T>
void pad_matrix(Array<T> &to, size_t at, const double *from, int nin_blocks, int nin, int nout,
                bool transposed)
{
  const int in_padded = padded(nin), out_padded = padded(nout);
  for (int b = 0; b < nin_blocks; b++)
    for (int k = 0; k < nin; k++)
      for (int n = 0; n < nout; n++) {
        const T value = (T) from[((size_t) b * nin + k) * nout + n];
        const size_t row = (size_t) b * in_padded + k;
        if (transposed)
          to[at + (size_t) n * nin_blocks * in_padded + row] = value;
        else
          to[at + row * out_padded + n] = value;
      }
}

template <class T>
void Matrix<T>::set(const std::vector<double> &values, int nspecies, int blocks, int in, int out)
{
  nin = blocks * padded(in);
  nout = padded(out);
  size = (size_t) nin * nout;
  per_species = nspecies > 1;
  forward.resize(size * nspecies);
  backward.resize(size * nspecies);
  for (int s = 0; s < nspecies; s++) {
    const double *from = values.data() + (size_t) s * blocks * in * out;
    pad_matrix(forward, s * size, from, blocks, in, out, false);
    pad_matrix(backward, s * size, from, blocks, in, out, true);
  }
}

}    // namespace lamplighter

#endif
