// SPDX-License-Identifier: GPL-2.0-or-later

#include "tensor_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <stdexcept>

using namespace lamplighter;

namespace {

constexpr size_t LARGEST_HEADER = 64 << 20;
constexpr int64_t LARGEST_TENSOR = (int64_t) 1 << 34;    // elements

uint32_t crc32(const char *bytes, size_t count, uint32_t state)
{
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t n = 0; n < 256; n++) {
      uint32_t c = n;
      for (int k = 0; k < 8; k++) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      t[n] = c;
    }
    return t;
  }();
  for (size_t k = 0; k < count; k++)
    state = table[(state ^ (unsigned char) bytes[k]) & 0xFF] ^ (state >> 8);
  return state;
}

/* Reads the part of JSON that a safetensors header consists of: objects, strings, whole numbers and
   arrays of these. */
class Reader {
 public:
  explicit Reader(const std::string &text) : text_(text), at_(0) {}

  void expect(char c)
  {
    skip();
    if (at_ >= text_.size() || text_[at_] != c)
      throw std::runtime_error(std::string("'") + c + "' is missing in its header");
    at_++;
  }
  bool accept(char c)
  {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    at_++;
    return true;
  }
  std::string string()
  {
    expect('"');
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      char c = text_[at_++];
      if (c == '\\') {
        if (at_ >= text_.size()) break;
        c = text_[at_++];
        if (c == 'n')
          c = '\n';
        else if (c == 't')
          c = '\t';
        else if (c == 'u') {
          at_ = std::min(at_ + 4, text_.size());
          c = '?';
        }
      }
      out += c;
    }
    if (at_ >= text_.size()) throw std::runtime_error("a text in its header has no end");
    at_++;
    return out;
  }
  int64_t integer()
  {
    skip();
    int64_t value = 0;
    int digits = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && digits < 18) {
      value = 10 * value + (text_[at_++] - '0');
      digits++;
    }
    if (!digits) throw std::runtime_error("a number is missing in its header");
    return value;
  }
  std::vector<int64_t> integers()
  {
    std::vector<int64_t> values;
    expect('[');
    if (accept(']')) return values;
    do values.push_back(integer());
    while (accept(',') && values.size() < 64);
    expect(']');
    return values;
  }

 private:
  const std::string &text_;
  size_t at_;

  void skip()
  {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      at_++;
  }
};

std::string describe(const std::vector<int64_t> &shape)
{
  std::string out = "[";
  for (size_t k = 0; k < shape.size(); k++)
    out += (k ? ", " : "") + (shape[k] < 0 ? std::string("any") : std::to_string(shape[k]));
  return out + "]";
}

}    // namespace

void TensorFile::fail(const std::string &reason) const
{
  throw std::runtime_error("Model file " + path_ + ": " + reason);
}

TensorFile::TensorFile(const std::string &path) : path_(path)
{
  FILE *file = fopen(path.c_str(), "rb");
  if (!file) fail(std::string("cannot be opened (") + strerror(errno) + ")");
  std::vector<char> bytes;
  char block[65536];
  size_t count;
  while ((count = fread(block, 1, sizeof(block), file)) > 0)
    bytes.insert(bytes.end(), block, block + count);
  const bool unread = ferror(file) != 0;
  fclose(file);
  if (unread) fail("cannot be read");

  const char *const remedy = ": make it again with 'lamplighter compile'";
  if (bytes.size() < 10) fail(std::string("is too short to be a compiled model") + remedy);
  uint64_t length = 0;
  for (int k = 7; k >= 0; k--) length = (length << 8) | (unsigned char) bytes[k];
  if (length < 2 || length > LARGEST_HEADER || bytes[8] != '{')
    fail("is not a compiled model (make one of a MACE, NequIP or SevenNet model with 'lamplighter "
         "compile')");
  if (length > bytes.size() - 8) fail(std::string("is truncated") + remedy);

  std::string header(bytes.data() + 8, length);
  const std::string key = "\"crc32\":\"";
  const size_t found = header.find(key);
  if (found == std::string::npos || found + key.size() + 8 > header.size())
    fail("has no checksum, so it was not made by 'lamplighter compile'");
  const std::string digits = header.substr(found + key.size(), 8);
  header.replace(found + key.size(), 8, 8, '0');
  uint32_t crc = crc32(header.data(), header.size(), 0xFFFFFFFFu);
  crc = crc32(bytes.data() + 8 + length, bytes.size() - 8 - length, crc) ^ 0xFFFFFFFFu;
  char computed[9];
  snprintf(computed, sizeof(computed), "%08x", crc);
  if (digits != computed)
    fail("is damaged or truncated (its checksum is " + digits + ", its content gives " + computed +
         ")" + remedy);

  data_.assign(bytes.begin() + 8 + (ptrdiff_t) length, bytes.end());
  try {
    read_header(header);
  } catch (const std::runtime_error &problem) {
    fail(problem.what());
  }
}

void TensorFile::read_header(const std::string &header)
{
  Reader in(header);
  in.expect('{');
  if (in.accept('}')) return;
  do {
    const std::string name = in.string();
    in.expect(':');
    in.expect('{');
    if (name == "__metadata__") {
      if (in.accept('}')) continue;
      do {
        const std::string key = in.string();
        in.expect(':');
        metadata_[key] = in.string();
      } while (in.accept(','));
      in.expect('}');
      continue;
    }
    Tensor tensor{false, {}, 0, 1};
    std::vector<int64_t> offsets;
    do {
      const std::string key = in.string();
      in.expect(':');
      if (key == "dtype") {
        const std::string dtype = in.string();
        if (dtype != "F64" && dtype != "I64")
          throw std::runtime_error("tensor " + name + " has the type " + dtype +
                                   ", expected F64 or I64");
        tensor.is_double = dtype == "F64";
      } else if (key == "shape") {
        tensor.shape = in.integers();
      } else if (key == "data_offsets") {
        offsets = in.integers();
      } else
        throw std::runtime_error("tensor " + name + " has the unknown entry " + key);
    } while (in.accept(','));
    in.expect('}');
    int64_t elements = 1;
    for (const int64_t n : tensor.shape) {
      if (n > LARGEST_TENSOR || (n && elements > LARGEST_TENSOR / n))
        throw std::runtime_error("tensor " + name + " is too large");
      elements *= n;
    }
    tensor.count = (size_t) elements;
    if (offsets.size() != 2 || offsets[0] > offsets[1] || (size_t) offsets[1] > data_.size() ||
        (size_t) (offsets[1] - offsets[0]) != 8 * tensor.count)
      throw std::runtime_error("tensor " + name + " lies outside of the file");
    tensor.begin = (size_t) offsets[0];
    tensors_[name] = tensor;
  } while (in.accept(','));
  in.expect('}');
}

std::string TensorFile::text(const std::string &key) const
{
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) fail("lacks the entry '" + key + "'");
  return found->second;
}

std::vector<int64_t> TensorFile::shape(const std::string &name) const
{
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail("lacks the tensor '" + name + "'");
  return found->second.shape;
}

const TensorFile::Tensor &TensorFile::find(const std::string &name,
                                           const std::vector<int64_t> &shape, bool is_double) const
{
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail("lacks the tensor '" + name + "'");
  const Tensor &tensor = found->second;
  bool fits = tensor.is_double == is_double && tensor.shape.size() == shape.size();
  for (size_t k = 0; fits && k < shape.size(); k++)
    fits = shape[k] < 0 || shape[k] == tensor.shape[k];
  if (!fits)
    fail("tensor '" + name + "' has the shape " + describe(tensor.shape) + ", expected " +
         describe(shape));
  return tensor;
}

std::vector<double> TensorFile::doubles(const std::string &name,
                                        const std::vector<int64_t> &shape) const
{
  const Tensor &tensor = find(name, shape, true);
  std::vector<double> values(tensor.count);
  if (tensor.count) memcpy(values.data(), data_.data() + tensor.begin, 8 * tensor.count);
  for (size_t k = 0; k < values.size(); k++)
    if (!std::isfinite(values[k]))
      fail("tensor '" + name + "' holds " + std::to_string(values[k]) + " at place " +
           std::to_string(k) +
           ", where a finite number is expected: the model that it was made from diverged in its "
           "training, or is damaged");
  return values;
}

std::vector<int64_t> TensorFile::integers(const std::string &name,
                                          const std::vector<int64_t> &shape) const
{
  const Tensor &tensor = find(name, shape, false);
  std::vector<int64_t> values(tensor.count);
  if (tensor.count) memcpy(values.data(), data_.data() + tensor.begin, 8 * tensor.count);
  return values;
}

int64_t TensorFile::integer(const std::string &name, int64_t lowest, int64_t highest) const
{
  const int64_t value = integers(name, {1})[0];
  if (value < lowest || value > highest)
    fail("'" + name + "' is " + std::to_string(value) + ", outside of " + std::to_string(lowest) +
         " to " + std::to_string(highest));
  return value;
}

double TensorFile::number(const std::string &name) const
{
  return doubles(name, {1})[0];
}
