// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_OPEN_MODEL_H
#define LAMPLIGHTER_OPEN_MODEL_H

#include "native_evaluator.h"

#include <memory>

namespace lamplighter {

/* The models of a file. `elements[k]` is the symbol of type k + 1; `dtype` is float64, float32
   (float32 arithmetic; positions, energies and forces are summed in float64) or auto, as the model
   was stored; `intervals` of the radial tables, 0: chosen. The file says of which family it is.
   `training_set` is a file that says what the first model was trained on; empty: the model's own.
   Throws std::runtime_error if the model does not know an element, or the file is not a model. */
std::unique_ptr<NativeEvaluator> open_model(const std::string &path,
                                            const std::vector<std::string> &elements,
                                            const std::string &dtype,
                                            const std::string &training_set = "",
                                            int intervals = 0);

}    // namespace lamplighter

#endif
