#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <float.h>
#include <math.h>
#include <stdint.h>

#if defined(__clang__) || defined(__GNUC__)
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define LIKELY(x)   (x)
#define UNLIKELY(x) (x)
#endif

#define N_TARGET 1
#define MAX_N_CLASS 1

union Entry {
  int missing;
  double fvalue;
  int qvalue;
};

int32_t get_num_target(void);
void get_num_class(int32_t* out);
int32_t get_num_feature(void);
const char* get_threshold_type(void);
const char* get_leaf_output_type(void);
void predict(union Entry* data, int pred_margin, double* result);
void postprocess(double* result);
static const int32_t num_class[] = {  1, };

int32_t get_num_target(void) {
  return N_TARGET;
}
void get_num_class(int32_t* out) {
  for (int i = 0; i < N_TARGET; ++i) {
    out[i] = num_class[i];
  }
}
int32_t get_num_feature(void) {
  return 8;
}
const char* get_threshold_type(void) {
  return "float64";
}
const char* get_leaf_output_type(void) {
  return "float64";
}

void predict(union Entry* data, int pred_margin, double* result) {
  unsigned int tmp;
  if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.3733722567558288019) ) ) {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.087556838989258701) ) ) {
        result[0] += -0.04285714285714286;
      } else {
        result[0] += -0.13491525423728815;
      }
    } else {
      result[0] += -0.03132530120481928;
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.386824667453766091) ) ) {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.141934394836426669) ) ) {
        result[0] += 0.01258741258741259;
      } else {
        if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.1667584851384162625) ) ) {
          result[0] += -0.03132530120481928;
        } else {
          result[0] += 0.10515463917525775;
        }
      }
    } else {
      result[0] += 0.1669724770642202;
    }
  }
  if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.3733722567558288019) ) ) {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.087556838989258701) ) ) {
        result[0] += -0.03889473961535144;
      } else {
        result[0] += -0.12217356567957388;
      }
    } else {
      result[0] += -0.02827527391833433;
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.20582365989685103) ) ) {
      if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.05481922626495360634) ) ) {
        result[0] += -0.02827527391833433;
      } else {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.141934394836426669) ) ) {
          result[0] += 0.03536913179325728;
        } else {
          result[0] += 0.10261466122684633;
        }
      }
    } else {
      result[0] += 0.16603466087316313;
    }
  }
  if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.099673032760619895) ) ) {
      result[0] += -0.12769049956340195;
    } else {
      if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.3916885554790497381) ) ) {
        if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.3397052884101867121) ) ) {
          result[0] += -0.09777893713498026;
        } else {
          if ( LIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.0883694887161254744) ) ) {
            result[0] += -0.065448191826791;
          } else {
            result[0] += 0.008444096366809793;
          }
        }
      } else {
        result[0] += 0.008444096366809793;
      }
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.336873829364776833) ) ) {
      result[0] += 0.03308034982027018;
    } else {
      result[0] += 0.1394785066862427;
    }
  }
  if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.099673032760619895) ) ) {
      result[0] += -0.1174897493078348;
    } else {
      result[0] += -0.0451601864750564;
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.20582365989685103) ) ) {
      if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.05481922626495360634) ) ) {
        result[0] += -0.03481953819143131;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.608351826667786089) ) ) {
          result[0] += 0.012491224093551124;
        } else {
          if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04866491258144379356) ) ) {
            result[0] += 0.12234912157995488;
          } else {
            result[0] += 0.037012851025345066;
          }
        }
      }
    } else {
      result[0] += 0.14341300304343882;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.6702494025230408825) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.3733722567558288019) ) ) {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.02426020987331866871) ) ) {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.087556838989258701) ) ) {
          result[0] += -0.021736619355714096;
        } else {
          result[0] += -0.09771283866721955;
        }
      } else {
        result[0] += -0.0033191896204663404;
      }
    } else {
      result[0] += -0.0033191896204663404;
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.36167538166046187) ) ) {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05497838370501995781) ) ) {
        result[0] += 0.08551857914591567;
      } else {
        result[0] += -0.0024308129500233548;
      }
    } else {
      result[0] += 0.13825723799891973;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.6702494025230408825) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.099673032760619895) ) ) {
      result[0] += -0.10254433838933869;
    } else {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.008844292489811779803) ) ) {
        result[0] += -0.05296576584706796;
      } else {
        result[0] += 0.0038236985894228082;
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.20582365989685103) ) ) {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.141934394836426669) ) ) {
        if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)334.5333251953125568) ) ) {
          result[0] += 0.0038236985894228082;
        } else {
          result[0] += 0.11192647886030249;
        }
      } else {
        result[0] += 0.10817947305993357;
      }
    } else {
      result[0] += 0.1272552070275263;
    }
  }
  if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.9982262551784514271) ) ) {
      result[0] += -0.09515629698090942;
    } else {
      result[0] += -0.03208759262190366;
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.386824667453766091) ) ) {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.141934394836426669) ) ) {
        result[0] += -0.0010844282111750027;
      } else {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04814453609287739494) ) ) {
          result[0] += 0.10897484702983183;
        } else {
          if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.6702494025230408825) ) ) {
            result[0] += -0.023059866160802567;
          } else {
            result[0] += 0.09605708768595758;
          }
        }
      }
    } else {
      result[0] += 0.10897484702983183;
    }
  }
  if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.9982262551784514271) ) ) {
      result[0] += -0.08863931454029667;
    } else {
      result[0] += -0.02907617332627817;
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.20582365989685103) ) ) {
      if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.05481922626495360634) ) ) {
        result[0] += -0.02907617332627817;
      } else {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.141934394836426669) ) ) {
          result[0] += 0.01619491936397252;
        } else {
          if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.6702494025230408825) ) ) {
            result[0] += 0.034691130297571385;
          } else {
            result[0] += 0.11561897377106722;
          }
        }
      }
    } else {
      result[0] += 0.11561897377106722;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.6702494025230408825) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.099673032760619895) ) ) {
      result[0] += -0.08578190812843163;
    } else {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.008844292489811779803) ) ) {
        if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.02725970093160867344) ) ) {
          result[0] += -0.057723806068467026;
        } else {
          result[0] += 0.005986504580277033;
        }
      } else {
        result[0] += 0.005986504580277033;
      }
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.36167538166046187) ) ) {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05421424284577370384) ) ) {
        result[0] += 0.06647975975546629;
      } else {
        result[0] += 0.005986504580277033;
      }
    } else {
      result[0] += 0.11471874984766216;
    }
  }
  if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.37867152690887429) ) ) {
      result[0] += -0.10432071651779834;
    } else {
      if ( LIKELY( !(data[3].missing != -1) || (data[3].fvalue <= (double)0.5223935842514039196) ) ) {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05634178034961224296) ) ) {
          result[0] += -0.02901416898694588;
        } else {
          result[0] += -0.07135578245224107;
        }
      } else {
        result[0] += 0.023636777415324245;
      }
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.20582365989685103) ) ) {
      if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.1692448407411575595) ) ) {
        result[0] += 0.07659243814988789;
      } else {
        result[0] += 0.023636777415324245;
      }
    } else {
      result[0] += 0.10586855915796495;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.336873829364776833) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.3733722567558288019) ) ) {
      if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.417242944240569846) ) ) {
        result[0] += -0.101900812281216;
      } else {
        result[0] += -0.03876447009556201;
      }
    } else {
      if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.238126970827579526) ) ) {
        result[0] += 0.037088464801629924;
      } else {
        if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)334.5333251953125568) ) ) {
          result[0] += -0.03876447009556201;
        } else {
          result[0] += 0.03863422599962632;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)1.27129262685775779) ) ) {
      result[0] += 0.03863422599962632;
    } else {
      result[0] += 0.12102040123329223;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.6702494025230408825) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.099673032760619895) ) ) {
      result[0] += -0.07179102355097888;
    } else {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.9830435216426848255) ) ) {
        result[0] += -0.05323376597573975;
      } else {
        result[0] += -0.010800369131530808;
      }
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.066168785095215288) ) ) {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.141934394836426669) ) ) {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03747559897601605156) ) ) {
          result[0] += 0.08521428788878721;
        } else {
          result[0] += -0.010800369131530808;
        }
      } else {
        result[0] += 0.08506987462888305;
      }
    } else {
      result[0] += 0.11206190809075961;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.336873829364776833) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.099673032760619895) ) ) {
      result[0] += -0.06718656339427434;
    } else {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.008844292489811779803) ) ) {
        if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.4990453124046325128) ) ) {
          result[0] += -0.05969123354676115;
        } else {
          result[0] += -0.017147121325256264;
        }
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.86395514011383101) ) ) {
          result[0] += -0.017147121325256264;
        } else {
          result[0] += 0.031039787045829038;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)1.27129262685775779) ) ) {
      result[0] += 0.031039787045829038;
    } else {
      result[0] += 0.1149660928975866;
    }
  }
  if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.37867152690887429) ) ) {
      result[0] += -0.08755805208300543;
    } else {
      result[0] += -0.021741601623202187;
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.36167538166046187) ) ) {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04570737108588219383) ) ) {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.617632150650024858) ) ) {
          if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5979005992412568249) ) ) {
            result[0] += -0.021741601623202187;
          } else {
            result[0] += 0.04013812867757873;
          }
        } else {
          result[0] += 0.09644118416552933;
        }
      } else {
        result[0] += -0.001848485323933855;
      }
    } else {
      result[0] += 0.09644118416552933;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.336873829364776833) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.37867152690887429) ) ) {
      result[0] += -0.08338845734024258;
    } else {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.464091897010803001) ) ) {
        result[0] += -0.06578015066843292;
      } else {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4045275449752808172) ) ) {
          result[0] += -0.00692616462766372;
        } else {
          result[0] += -0.04407824991954229;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)1.27129262685775779) ) ) {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.244237661361695224) ) ) {
        result[0] += -0.00692616462766372;
      } else {
        result[0] += 0.08512780651435709;
      }
    } else {
      result[0] += 0.10965486249961678;
    }
  }
  if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.417242944240569846) ) ) {
      result[0] += -0.08281066638135534;
    } else {
      result[0] += -0.018915914548948403;
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.066168785095215288) ) ) {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.141934394836426669) ) ) {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03707671724259854057) ) ) {
          result[0] += 0.06273441005649423;
        } else {
          result[0] += -0.015827422780705706;
        }
      } else {
        if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.1667584851384162625) ) ) {
          result[0] += -0.018915914548948403;
        } else {
          result[0] += 0.06372876260404953;
        }
      }
    } else {
      result[0] += 0.10155806977567597;
    }
  }
  if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)1.015960693359375222) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.06933473423123358292) ) ) {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.464091897010803001) ) ) {
        result[0] += -0.08139568619468912;
      } else {
        result[0] += -0.028111164664441912;
      }
    } else {
      if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)300.3000030517578693) ) ) {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.496841073036194292) ) ) {
          result[0] += -0.009349519188387181;
        } else {
          result[0] += 0.05906555767242808;
        }
      } else {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.959119558334351474) ) ) {
          result[0] += -0.028111164664441912;
        } else {
          result[0] += 0.046459361451502305;
        }
      }
    }
  } else {
    result[0] += 0.05906555767242808;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.36167538166046187) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.3733722567558288019) ) ) {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05513315089046955803) ) ) {
        result[0] += -0.01336958359708032;
      } else {
        result[0] += -0.06954711759697826;
      }
    } else {
      if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)280.3666534423828693) ) ) {
        if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.3705436736345290583) ) ) {
          result[0] += -0.01336958359708032;
        } else {
          result[0] += 0.07482991827922286;
        }
      } else {
        if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.1467000469565391818) ) ) {
          result[0] += 0.06944229002333475;
        } else {
          result[0] += -0.010833250241109251;
        }
      }
    }
  } else {
    result[0] += 0.08588019285414811;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.36167538166046187) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.4185631275177001398) ) ) {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05513315089046955803) ) ) {
        result[0] += -0.013268386672178443;
      } else {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.557348489761353427) ) ) {
          if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.2124511748552322665) ) ) {
            result[0] += -0.04868925565236105;
          } else {
            result[0] += -0.13327563515770646;
          }
        } else {
          result[0] += 6.417048921002225e-05;
        }
      }
    } else {
      if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.1661138311028480807) ) ) {
        result[0] += 0.06752745313227042;
      } else {
        result[0] += 6.417048921002225e-05;
      }
    }
  } else {
    result[0] += 0.08290579287907826;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.386824667453766091) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.417242944240569846) ) ) {
      result[0] += -0.07410425635902039;
    } else {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.464091897010803001) ) ) {
        result[0] += -0.05658048509217481;
      } else {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4045275449752808172) ) ) {
          result[0] += -0.004108108183958919;
        } else {
          result[0] += -0.0412500875409743;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)1.27129262685775779) ) ) {
      if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)300.3000030517578693) ) ) {
        result[0] += 0.067894696771142;
      } else {
        result[0] += -0.004108108183958919;
      }
    } else {
      result[0] += 0.10110737414600196;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.066168785095215288) ) ) {
    if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.008844292489811779803) ) ) {
      result[0] += -0.02587087273833539;
    } else {
      if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.099673032760619895) ) ) {
        result[0] += -0.02587087273833539;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.86395514011383101) ) ) {
          result[0] += -0.008711991845389204;
        } else {
          if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04222824983298779228) ) ) {
            result[0] += 0.08611164136736216;
          } else {
            if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.6702494025230408825) ) ) {
              result[0] += -0.0016378113068762905;
            } else {
              result[0] += 0.07018446287155125;
            }
          }
        }
      }
    }
  } else {
    result[0] += 0.09179779256956175;
  }
  if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)1.015960693359375222) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.417242944240569846) ) ) {
      result[0] += -0.06947438606351024;
    } else {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.557348489761353427) ) ) {
        if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.2250117287039757052) ) ) {
          if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.06372461095452310043) ) ) {
            result[0] += -0.01855000712183553;
          } else {
            result[0] += -0.0679320957595873;
          }
        } else {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.436501145362854448) ) ) {
            result[0] += -0.01855000712183553;
          } else {
            result[0] += 0.03351759450130672;
          }
        }
      } else {
        result[0] += 0.04716745070983933;
      }
    }
  } else {
    result[0] += 0.04716745070983933;
  }
  
  // Apply base_scores
  result[0] += 0;
  
  // Apply postprocessor
  if (!pred_margin) { postprocess(result); }
}

void postprocess(double* result) {
  // sigmoid
  const double alpha = (double)1;
  for (size_t i = 0; i < N_TARGET * MAX_N_CLASS; ++i) {
    result[i] = (double)(1) / ((double)(1) + exp(-alpha * result[i]));
  }
}

/* P(fake) of `count` rows of floats; NaN means missing. */
void predict_rows(const float* rows, size_t count, float* result) {
  for (size_t i = 0; i < count; ++i) {
    union Entry row[8];
    double score[N_TARGET * MAX_N_CLASS] = {0};
    for (size_t j = 0; j < 8; ++j) {
      const float value = rows[i * 8 + j];
      if (value != value) {
        row[j].missing = -1;
      } else {
        row[j].fvalue = (double)value;
      }
    }
    predict(row, 0, score);
    result[i] = (float)score[0];
  }
}
