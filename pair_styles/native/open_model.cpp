// SPDX-License-Identifier: GPL-2.0-or-later

#include "open_model.h"

#include "layered_evaluator.h"
#include "layered_parameters.h"
#include "mace_evaluator.h"
#include "tensor_file.h"

using namespace lamplighter;

std::unique_ptr<NativeEvaluator> lamplighter::open_model(const std::string &path,
                                                         const std::vector<std::string> &elements,
                                                         const std::string &dtype, int intervals)
{
  const TensorFile file(path);
  if (file.text("format") == LAYERED_FORMAT) return open_layered(file, elements, dtype, intervals);
  return open_mace(file, elements, dtype, intervals);
}
