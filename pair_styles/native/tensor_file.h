// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_TENSOR_FILE_H
#define LAMPLIGHTER_TENSOR_FILE_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lamplighter {

/* A safetensors file with a checksum: named arrays of float64 and int64, and text metadata.

   Layout (the safetensors format, https://huggingface.co/docs/safetensors): eight bytes that give
   the length of a JSON header, the header, the data. The metadata entry `crc32` holds the CRC-32 of
   everything after the first eight bytes, its own eight digits counted as zeros.

   All member functions throw std::runtime_error, naming the file, where it is not what it should
   be. */
class TensorFile {
 public:
  explicit TensorFile(const std::string &path);

  const std::string &path() const { return path_; }
  bool has(const std::string &name) const { return tensors_.count(name) != 0; }
  std::string text(const std::string &key) const;

  /* The numbers of a tensor; `shape` must be its shape, where -1 stands for any size. */
  std::vector<double> doubles(const std::string &name, const std::vector<int64_t> &shape) const;
  std::vector<int64_t> integers(const std::string &name, const std::vector<int64_t> &shape) const;
  int64_t integer(const std::string &name, int64_t lowest, int64_t highest) const;
  double number(const std::string &name) const;
  std::vector<int64_t> shape(const std::string &name) const;

 private:
  struct Tensor {
    bool is_double;
    std::vector<int64_t> shape;
    size_t begin, count;    // offset in bytes from the data's start; elements
  };
  std::string path_;
  std::vector<char> data_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;

  [[noreturn]] void fail(const std::string &reason) const;
  const Tensor &find(const std::string &name, const std::vector<int64_t> &shape,
                     bool is_double) const;
  void read_header(const std::string &header);
};

}    // namespace lamplighter

#endif
