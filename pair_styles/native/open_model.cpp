// SPDX-License-Identifier: GPL-2.0-or-later

#include "open_model.h"

#include "layered_evaluator.h"
#include "layered_parameters.h"
#include "mace_evaluator.h"
#include "tensor_file.h"

using namespace lamplighter;

std::unique_ptr<NativeEvaluator> lamplighter::open_model(const std::string &path,
                                                         const std::vector<std::string> &elements,
                                                         const std::string &dtype,
                                                         const std::string &training_set,
                                                         int intervals)
{
  const TensorFile file(path);
  const bool layered = file.text("format") == LAYERED_FORMAT;
  const auto open = layered ? open_layered : open_mace;
  if (training_set.empty()) return open(file, file, elements, dtype, intervals);
  return open(file, TensorFile(training_set), elements, dtype, intervals);
}
